"""Slow references of measures of flow: dense matrices, and paths listed one by one."""

import numpy as np
from oracles.nets import adjacency, edge_list, nets, random_net

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

F = {
    "signed": lambda w: w,
    "absolute": np.abs,
    "positive": lambda w: np.maximum(w, 0.0),
    "negative": lambda w: np.maximum(-w, 0.0),
    "square": np.square,
    "count": np.ones_like,
}
SIGNS = ("absolute", "positive", "negative")


def dense(net, transform="signed", edges="all"):
    """The matrix of f(weight), magnitudes for negative ones; parallel edges added up."""
    matrix = adjacency(net, edges)
    matrix.data = F[transform](matrix.data)
    return matrix.toarray()


def recurrent_net(kind="rnn", unroll=None, seed=0, n=4, steps=1):
    """An input, a recurrent layer (a loop, or unrolled) and a dense layer behind it."""
    builder, rng = Builder(unroll=unroll), np.random.default_rng(seed)

    def tensor(*shape):
        value = rng.normal(size=shape).astype(np.float32)
        name = f"w{rng.integers(1 << 40)}"
        return Recipe.of(builder.parameter(Parameter.from_array(name, value)))

    def gate(**more):
        return Gate(tensor(n, 3), tensor(n, n), tensor(n), **more)

    shape = (3, steps) if steps > 1 else (3,)
    ids = builder.input("x", shape).reshape(3, steps).T
    gates = [gate() for _ in range({"rnn": 1, "lstm": 4}.get(kind, 2))]
    if kind == "gru":
        gates.append(Gate(tensor(n, 3), tensor(n, n), tensor(n), tensor(n)))
    last = np.asarray(run_cell(builder, ids, Cell(kind, "r", gates))[1][0]).reshape(-1)
    builder.output(builder.linear("out", last, tensor(2, last.size), tensor(2)))
    return builder.finish()


def two_loops(seed=0):
    """A recurrent layer that feeds another: a strong loop, and a weak one behind it."""
    builder, rng = Builder(), np.random.default_rng(seed)

    def tensor(name, scale, *shape):
        value = scale * rng.random(shape) * rng.choice([-1, 1], shape)
        return Recipe.of(builder.parameter(Parameter.from_array(name, value)))

    ids = builder.input("x", (3,)).reshape(3, 1).T
    for name, scale in (("r", 1.0), ("s", 0.5)):
        width = ids.shape[1]
        w, u, b = (tensor(f"{name}.{k}", scale, *s)
                   for k, s in (("w", (4, width)), ("u", (4, 4)), ("b", (4,))))  # fmt: skip
        ids, (last,) = run_cell(builder, ids, Cell("rnn", name, [Gate(w, u, b)]))
    last = np.asarray(last).reshape(-1)
    builder.output(builder.linear("out", last, tensor("o", 1.0, 2, last.size), None))
    return builder.finish()


def feed_forward():
    """Toys, random networks, one unrolled over time and one with one node per channel, by name."""
    found = nets()
    found["unrolled"] = recurrent_net(unroll=3, steps=3)
    found["unrolled lstm"] = recurrent_net("lstm", unroll=2, steps=2)
    found["channels"] = cg.coarsen(random_net(3), "channel")
    return found


def with_loops():
    """Networks with recurrent layers that are loops, by name."""
    return {kind: recurrent_net(kind) for kind in ("rnn", "lstm", "gru")} | {"two": two_loops()}


def list_paths(net, edges="all"):
    """The weights along every path from a node of an input layer to one of an output layer."""
    leaving = {}
    for source, target, weight in edge_list(net, edges):
        leaving.setdefault(source, []).append((target, weight))
    inputs, outputs = ends(net)
    paths = []

    def follow(node, weights):
        if node in outputs:
            paths.append((node, weights))
        for target, weight in leaving.get(node, []):
            follow(target, [*weights, weight])

    for node in inputs:
        follow(node, [])
    return paths


def path_lengths(graph, counted):
    """The number of counted edges on every path of an explicit graph from input to output."""
    inputs, outputs = ends(graph)
    indptr, indices = graph.adjacency.indptr, graph.adjacency.indices
    found = []

    def follow(node, length):
        if node in outputs:
            found.append(length)
        for k in range(indptr[node], indptr[node + 1]):
            follow(indices[k], length + counted[k])

    for node in inputs:
        follow(node, 0)
    return found


def ends(net):
    inputs, outputs = [], []
    for layer in net.layers:
        nodes = range(layer.slice.start, layer.slice.stop)
        inputs += list(nodes) if layer.is_input else []
        outputs += list(nodes) if layer.is_output else []
    return inputs, outputs


def n_cut(matrix, labels):
    """The normalized cut of the graph with directions left out, entry by entry."""
    both = matrix + matrix.T
    total = 0.0
    for label in sorted(set(labels.tolist())):
        cut = volume = 0.0
        for i in np.flatnonzero(labels == label):
            for j in range(len(both)):
                volume += both[i, j]
                cut += both[i, j] if labels[j] != label else 0.0
        total += cut / volume
    return total


def layer_paths(links, inputs, outputs):
    """The number of learned operations on each path of a DAG given by (source, target, 0 or 1)."""
    found = []

    def follow(layer, depth):
        if layer in outputs:
            found.append(depth)
        for source, target, learned in links:
            if source == layer:
                follow(target, depth + learned)

    for layer in inputs:
        follow(layer, 0)
    return found
