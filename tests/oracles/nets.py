"""Small random networks made with the builder, and their adjacency put together by SciPy."""

import numpy as np
from scipy.sparse import coo_array

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Window

TOYS = ("mlp", "cnn", "residual")


def attention(builder, name, query, key, value, keep=None):
    """softmax(query keyᵀ) value over ids of shape (heads, positions, features)."""
    scores = builder.matmul(f"{name}.scores", query, key.swapaxes(-1, -2))
    scores = scores if keep is None else builder.mask(scores, keep)
    return builder.matmul(name, builder.activate(scores, "softmax"), value)


def random_net(seed, *, dtype=np.float32):
    """Convolutions, a skip, a concatenation, poolings, a kept norm, repeated and masked views."""
    rng = np.random.default_rng(seed)
    builder = Builder()

    def tensor(name, *shape):
        values = rng.normal(size=shape).astype(dtype)
        return Recipe.of(builder.parameter(cg.Parameter.from_array(name, values)))

    def conv(name, ids, n_out, groups=1, activation="relu"):
        axes = [Window(n, n, 3, before=1) for n in ids.shape[1:]]
        weight = tensor(f"{name}.weight", n_out, ids.shape[0] // groups, 3, 3)
        made = builder.conv(name, ids, weight, tensor(f"{name}.bias", n_out), tuple(axes),
                            groups=groups)  # fmt: skip
        return builder.activate(made, activation) if activation else made

    ids = builder.input("input", (2, int(rng.integers(4, 6)), 4))
    first = conv("conv1", ids, 4)
    skip = builder.add("sum", [conv("conv2", first, 4, groups=2, activation=""), first])
    ids = np.concatenate([skip, first[:2], np.full_like(first[:1], -1)])
    ids = conv("conv3", ids, 3)
    axes = [
        AxisOperator.of_window(Window(n, n // 2, 2, 2), np.full(n // 2, 2.0)) for n in ids.shape[1:]
    ]
    pooled = builder.pool("pool", ids, tuple(axes), "average")
    gain, shift = tensor("norm.weight", 3, 1, 1), tensor("norm.bias", 3, 1, 1)
    ids = builder.scale("norm", pooled, gain, shift, kind="norm", foldable=False)
    ids = rng.permutation(np.concatenate([ids.reshape(-1), pooled.reshape(-1)[:3]]))
    weight = tensor("fc.weight", 5, ids.size)
    ids = builder.activate(builder.linear("fc", ids, weight, tensor("fc.bias", 5)), "relu")
    twice = np.concatenate([ids, ids[:2]])
    builder.output(builder.linear("out", twice, tensor("out.weight", 3, 7), tensor("out.bias", 3)))
    return builder.finish()


def nets():
    """Toys and random networks, by name."""
    found = {name: cg.toy(name) for name in TOYS}
    return found | {f"random{seed}": random_net(seed) for seed in range(3)}


def adjacency(net, edges="all"):
    """The adjacency matrix, block by block: sources and targets are looked up in the views."""
    rows, columns, data = [], [], []
    for block in net.select_blocks(edges):
        own = block.to_csr().tocoo()
        rows.append(block.source.as_ids()[own.row])
        columns.append(block.target.as_ids()[own.col])
        data.append(own.data.astype(np.float64))
    places = (np.concatenate([*rows, []]).astype(int), np.concatenate([*columns, []]).astype(int))
    return coo_array((np.concatenate([*data, []]), places), shape=(net.n_nodes, net.n_nodes))


def edge_list(net, edges="all"):
    """(source, target, weight) of every edge, parallel ones included."""
    matrix = adjacency(net, edges)
    return list(zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True))
