"""Graphs by hand: any names, any finite weights, loops, parallel edges, empty layers."""

import numpy as np
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.layer import Layer

SHAPES = ((0,), (1,), (3,), (), (2, 2), (1, 2, 3), (2, 1, 2, 2))


def graph_of(layers, edges, dtype=np.float64, *, names=("one", "two"), bias=None):
    """Return a graph of edges (source, target, weight, block)."""
    n = sum(layer.n_nodes for layer in layers)
    edges = sorted(edges, key=lambda edge: (edge[0], edge[1], edge[3]))
    source, target, weight, block = ([edge[k] for edge in edges] for k in range(4))
    counts = np.bincount(np.array(source, dtype=int), minlength=n)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    matrix = csr_of(np.array(weight, dtype), np.array(target, np.int32), indptr, (n, n))
    learned = np.ones(len(names), dtype=bool)
    bias = np.zeros(n) if bias is None else np.array(bias)
    marks = np.array(block, dtype=np.uint8)
    return cg.Graph(matrix, marks, tuple(layers), tuple(names), learned, bias, bias)


def layers_of(names, shapes):
    """Return layers one after another."""
    found, start = [], 0
    for name, shape in zip(names, shapes, strict=True):
        found.append(Layer(name, shape, "dense", start, "relu+tanh" if start else ""))
        start += found[-1].n_nodes
    return found


@st.composite
def graphs(draw):
    """Draw a small graph."""
    text = st.text(max_size=6)
    shapes = draw(st.lists(st.sampled_from(SHAPES), max_size=3))
    names = draw(st.lists(text, min_size=len(shapes), max_size=len(shapes), unique=True))
    layers = layers_of(names, shapes)
    n = sum(layer.n_nodes for layer in layers)
    dtype, width = draw(st.sampled_from([(np.float32, 32), (np.float64, 64)]))
    # Their sums are doubles, too.
    most = 1e300 if width == 64 else None
    numbers = st.floats(most and -most, most, allow_nan=False, allow_infinity=False, width=width)
    node = st.integers(0, max(n - 1, 0))
    edge = st.tuples(node, node, numbers, st.integers(0, 1))
    edges = draw(st.lists(edge, max_size=12)) if n else []
    bias = draw(st.lists(st.floats(-1e6, 1e6), min_size=n, max_size=n))
    blocks = draw(st.lists(text, min_size=2, max_size=2, unique=True))
    return graph_of(layers, edges, dtype, names=blocks, bias=bias)
