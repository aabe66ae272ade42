import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.backbones import strongest
from oracles.graphs import edges_of, graph_of, graphs, odd

import cntgraph as cg
from cntgraph.graph.reduction.threshold import threshold_edges
from cntgraph.graph.reduction.top_edges import keep_top_edges

KEYS = {"source": lambda e: e[0], "target": lambda e: e[1], "block": lambda e: e[3],
        "graph": lambda e: 0}  # fmt: skip


def expected(edges, k, by):
    if by in KEYS:
        marks = strongest(edges, k, KEYS[by])
    else:
        sides = [strongest(edges, k, KEYS[side]) for side in ("source", "target")]
        marks = [(any if by == "either" else all)(pair) for pair in zip(*sides, strict=True)]
    return [edge for edge, kept in zip(edges, marks, strict=True) if kept]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("by", [*KEYS, "either", "both"])
@given(data=st.data())
def test_any_graph(by, dtype, data):
    graph = data.draw(graphs(dtype=dtype))
    k = data.draw(st.integers(0, 5))
    found = keep_top_edges(graph, k, within=by)
    assert edges_of(found.graph) == expected(edges_of(graph), k, by)


@pytest.mark.parametrize("by", [*KEYS, "either", "both"])
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_toys(name, by):
    graph = cg.build_graph(cg.toy(name))
    for k in (1, 3, 10):
        found = keep_top_edges(graph, k, within=by).graph
        assert edges_of(found) == expected(edges_of(graph), k, by)


def test_equal_weights_are_chosen_in_their_order():
    graph = graph_of([1, 5], [(0, j, (-1) ** j * 1.0, 0) for j in range(1, 6)])
    assert [j for _, j, _, _ in edges_of(keep_top_edges(graph, 3, within="source").graph)] == [
        1,
        2,
        3,
    ]


def test_a_wide_row():
    rng = np.random.default_rng(0)
    weights = rng.integers(-50, 50, 3000) / 8
    graph = graph_of([1, 3000], [(0, j + 1, w, 0) for j, w in enumerate(weights)])
    for k in (1, 17, 1500, 2999, 3000, 5000):
        found = keep_top_edges(graph, k, within="source").graph
        assert edges_of(found) == expected(edges_of(graph), k, "source")


@pytest.mark.parametrize("k", [-1, 1.5, None, True, "2"])
def test_what_is_no_number_of_edges(k):
    with pytest.raises(cg.CntGraphError, match="number of edges of 0 or more"):
        keep_top_edges(odd("loops"), k)


def test_who_does_not_choose():
    with pytest.raises(cg.CntGraphError, match=r"'source', 'target', .*got 'layer'"):
        keep_top_edges(odd("loops"), 1, within="layer")


@given(graphs(), st.integers(0, 9).map(lambda k: k / 4))
def test_threshold(graph, threshold):
    found = threshold_edges(graph, threshold)
    assert edges_of(found.graph) == [e for e in edges_of(graph) if abs(e[2]) >= threshold]


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_threshold_is_that_of_build_graph(name):
    net = cg.toy(name)
    found = threshold_edges(cg.build_graph(net), 0.5).graph
    assert edges_of(found) == edges_of(cg.build_graph(net, threshold=0.5))


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_what_is_no_threshold(threshold):
    with pytest.raises(cg.CntGraphError, match="threshold of 0 or more"):
        threshold_edges(odd("loops"), threshold)
