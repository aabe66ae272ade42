"""Graphs written down edge by edge, and the odd ones among them.

An edge is (source, target, weight, block); `edges_of` reads them back from a `Graph`, in plain
loops.
"""

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

import cntgraph as cg

NAMES = ("conv", "skip", "pool")
PARAMETRIC = (True, False, False)


def graph_of(sizes, edges, *, dtype=np.float64, names=NAMES, parametric=PARAMETRIC):
    """A graph with layers of some sizes (numbers or shapes) and the edges given."""
    shapes = [size if isinstance(size, tuple) else (size,) for size in sizes]
    starts = np.concatenate([[0], np.cumsum([int(np.prod(shape)) for shape in shapes])])
    layers = tuple(
        cg.Layer(f"layer{k}", shape, "dense", int(start), "relu" if k else "")
        for k, (shape, start) in enumerate(zip(shapes, starts, strict=False))
    )
    n = int(starts[-1])
    edges = sorted(edges, key=lambda edge: (edge[0], edge[1], edge[3]))
    indptr = np.zeros(n + 1, np.int32)
    for i, _, _, _ in edges:
        indptr[i + 1 :] += 1
    columns = np.array([j for _, j, _, _ in edges], np.int32)
    weights = np.array([w for _, _, w, _ in edges], dtype)
    matrix = csr_array((weights, columns, indptr), shape=(n, n))
    blocks = np.array([b for _, _, _, b in edges], np.uint8)
    bias = np.arange(n) / 4
    return cg.Graph(matrix, blocks, layers, names, np.array(parametric, bool), bias, bias / 2)


def edges_of(graph):
    """Every edge of a graph, in the order it is stored."""
    matrix, found = graph.adjacency, []
    for i in range(graph.n_nodes):
        for k in range(matrix.indptr[i], matrix.indptr[i + 1]):
            j, w = int(matrix.indices[k]), float(matrix.data[k])
            found.append((i, j, w, int(graph.edge_block[k])))
    return found


def added_up(edges):
    """{(source, target): (weight, blocks)}, parallel edges added up."""
    found = {}
    for i, j, w, b in edges:
        weight, blocks = found.get((i, j), (0.0, ()))
        found[(i, j)] = (weight + w, (*blocks, b))
    return found


NAN = float("nan")

#: (sizes of the layers, edges) of graphs that measures and engines may stumble over.
ODD = {
    "single node": ([1], []),
    "single node, loop": ([1], [(0, 0, 2.0, 0)]),
    "no nodes": ([], []),
    "no edges": ([3, 2], []),
    "empty layer": ([2, 0, 2], [(0, 2, 1.0, 0), (1, 3, -1.0, 0)]),
    "isolated nodes": ([3, 3], [(1, 4, 0.5, 0)]),
    "disconnected": ([4, 4], [(0, 4, 1.0, 0), (0, 5, 2.0, 0), (3, 7, -3.0, 0)]),
    "zero weights": ([2, 2], [(0, 2, 0.0, 0), (0, 3, -0.0, 0), (1, 2, 1.0, 0)]),
    "only zero weights": ([2, 1], [(0, 2, 0.0, 0), (1, 2, 0.0, 0)]),
    "NaN": ([2, 2], [(0, 2, NAN, 0), (1, 2, 1.0, 0), (1, 3, float("inf"), 0)]),
    "loops": ([2, 2], [(0, 2, 1.0, 0), (2, 2, 0.5, 0), (2, 3, -1.0, 0), (3, 2, 2.0, 0)]),
    "parallel": ([2, 2], [(0, 2, 1.5, 0), (0, 2, 1.0, 1), (0, 3, 2.0, 0), (1, 3, -1.0, 0),
                          (1, 3, 1.0, 1), (1, 3, 4.0, 1), (1, 2, 3.0, 2), (1, 2, 1.0, 2)]),
    "images": ([(2, 2, 3), (1, 1, 2, 2), (2, 2, 1, 1, 2), ()], [(0, 12, 1.0, 0), (23, 24, 2.0, 2)]),
}  # fmt: skip

FINITE = [name for name in ODD if name != "NaN"]


def odd(name):
    return graph_of(*ODD[name])


@st.composite
def graphs(draw, *, signed=True, dtype=np.float64):
    """Small graphs with loops, parallel edges, zero weights and isolated nodes."""
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    n = sum(sizes)
    if n == 0:
        return graph_of(sizes, [], dtype=dtype)
    node = st.integers(0, n - 1)
    low = -8 if signed else 0
    weight = st.integers(low, 8).map(lambda k: k / 4)
    edge = st.tuples(node, node, weight, st.integers(0, len(NAMES) - 1))
    return graph_of(sizes, draw(st.lists(edge, max_size=24)), dtype=dtype)
