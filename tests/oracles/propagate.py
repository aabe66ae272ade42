"""A forward pass through the graph itself: what a framework's activations should be."""

import math
import re

import numpy as np

ACTIVATIONS = {
    "": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "softplus": lambda x: np.logaddexp(0.0, x),
    "gelu": lambda x: 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))),
    "hardtanh": lambda x: np.clip(x, -1.0, 1.0),
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "pow": np.square,
    "sqrt": np.sqrt,
    "reciprocal": np.reciprocal,
}
#: Over the features of each position, by default.
NORMS = {
    "layer_norm": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5),
    "rms_norm": lambda x: x / np.sqrt((x**2).mean(0) + 1e-5),
}


def propagate(net, *inputs, z=None):
    """Return the values of all nodes before and after their activation, by layer name.

    Every layer receives Σ Aᵀz + b over the blocks that lead to it, with z the values of the
    layers before it; a max pooling takes the largest of its candidates. A product is what is
    handed on, a function of it where its kind is "hidden", times what modulates it; of products
    that are added up, each is what its blocks are named after.

    Edges that lead back read what `z` held beforehand: the step before, where it is one.
    """
    z = np.zeros(net.n_nodes) if z is None else z
    total = net.bias()
    waiting = list(inputs)
    before, after = {}, {}
    for layer in net.layers:
        if layer.is_input:
            z[layer.slice] = np.asarray(waiting.pop(0), dtype=np.float64).reshape(-1)
        blocks = net.blocks_into(layer)
        gates = [block for block in blocks if block.modulatory]
        for block in (block for block in blocks if not block.modulatory):
            values = block.source.gather(z)
            if getattr(block, "mode", "") == "max":
                assert len(blocks) == 1
                total[block.target.as_ids()] += largest(block, values)
            else:
                received = block.rmatvec(values)
                if layer.kind == "add":
                    received = received.reshape(-1) * gate_of(net, block, gates, z)
                block.target.scatter_add(total, received)
        if not layer.is_input:
            z[layer.slice] = total[layer.slice]
        before[layer.name] = z[layer.slice].reshape(layer.shape)
        assert not gates or layer.kind in ("multiply", "hidden", "add")
        first = gates if layer.kind == "multiply" else []
        for block in first:
            z[block.target.as_ids()] *= block.source.gather(z)
        for name in layer.activation.split("+"):
            z[layer.slice] = activated(name, z[layer.slice].reshape(layer.shape)).reshape(-1)
        for block in gates if layer.kind == "hidden" else []:
            z[block.target.as_ids()] *= block.source.gather(z)
        after[layer.name] = z[layer.slice].reshape(layer.shape).copy()
        before[layer.name] = before[layer.name].copy() if not blocks else (
            total[layer.slice].reshape(layer.shape).copy())  # fmt: skip
    assert not waiting
    return before, after


def gate_of(net, block, gates, z):
    """What modulates each target of a block: gates `name.1`, `name.2`, … that of `name.0`.

    What reads a state of a loop may be several blocks, as `name.1` and `name.1.1`.
    """
    product = re.match(r"(.*?)\.0(\.|$)", block.name)
    found = {"": np.ones(net.n_nodes)}
    for gate in gates if product else []:
        part = re.match(rf"{re.escape(product[1])}\.(\d+)(\.|$)", gate.name)
        if part:
            values = found.setdefault(part[1], np.zeros(net.n_nodes))
            values[gate.target.as_ids()] += gate.source.gather(z)
    return np.prod(list(found.values()), axis=0)[block.target.as_ids()]


def activated(name, values):
    """What a function makes of the values of a layer."""
    return NORMS[name](values) if name in NORMS else ACTIVATIONS[name](values)


def largest(block, values):
    """The largest of the values that lead to each target position."""
    into = block.to_csr().tocsc()
    ends = zip(into.indptr[:-1], into.indptr[1:], strict=True)
    return np.array([values[into.indices[a:b]].max() for a, b in ends])
