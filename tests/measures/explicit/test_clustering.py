import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import graph_of, networks, random_graph, undirected

import cntgraph as cg
from cntgraph.core.errors import (
    GraphSizeError,
    NonFiniteWeightError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.measures.explicit.clustering import clustering
from cntgraph.measures.explicit.square_clustering import row_parts, square_clustering

NETS = networks()


def values(found):
    return np.array([found[k] for k in range(len(found))], float)


def has_triangles(graph):
    return any(nx.triangles(graph).values())


@pytest.mark.parametrize("name", NETS)
def test_triangles_are_those_of_networkx_or_undefined(name):
    graph = undirected(NETS[name])
    if not has_triangles(graph):
        with pytest.raises(UndefinedMeasureError, match="bipartite_clustering"):
            clustering(NETS[name])
        return
    found = clustering(NETS[name])
    assert found.dtype == np.float64
    assert np.allclose(found, values(nx.clustering(graph)), atol=1e-12)


def test_networks_of_layers_have_no_triangles_and_those_with_skips_do():
    triangles = {name for name in NETS if has_triangles(undirected(NETS[name]))}
    assert {"random0", "recurrent"} <= triangles
    assert not triangles & {"mlp", "cnn", "residual", "trained"}


@given(st.integers(0, 10**6))
def test_any_graph(seed):
    graph = random_graph(seed)
    for sign in ("absolute", "positive", "negative"):
        oracle = undirected(graph, sign)
        for weighted in (False, True):
            known = has_triangles(oracle)
            if known:  # networkx divides by the largest weight
                known = any(w for *_, w in oracle.edges.data("weight")) or not weighted
            if known:
                expected = values(nx.clustering(oracle, weight="weight" if weighted else None))
            if not known or not expected.any():
                with pytest.raises(UndefinedMeasureError):
                    clustering(graph, weighted=weighted, sign=sign)
                continue
            found = clustering(graph, weighted=weighted, sign=sign)
            assert np.allclose(found, expected, atol=1e-10)


def test_weights_need_a_policy():
    net = NETS["recurrent"]
    with pytest.raises(SignedWeightError, match="clustering"):
        clustering(net, weighted=True)
    both = clustering(NETS["random0"], weighted=True, sign="split")
    assert np.array_equal(
        both.positive, clustering(NETS["random0"], weighted=True, sign="positive")
    )
    nan = graph_of([(0, 1, np.nan, 0), (1, 2, 1.0, 0), (0, 2, 1.0, 0)], 3)
    assert clustering(nan).tolist() == [1, 1, 1]
    with pytest.raises(NonFiniteWeightError):
        clustering(nan, weighted=True)


@pytest.mark.parametrize("name", [name for name in NETS if name != "trained"])
def test_squares_are_those_of_networkx(name):
    expected = values(nx.square_clustering(undirected(NETS[name])))
    assert np.allclose(square_clustering(NETS[name]), expected, atol=1e-12)


@given(st.integers(0, 10**6))
def test_squares_of_any_graph(seed):
    graph = random_graph(seed)
    expected = values(nx.square_clustering(undirected(graph)))
    assert np.allclose(square_clustering(graph), expected, atol=1e-12)


def test_squares_part_by_part(monkeypatch):
    from cntgraph.measures.explicit import square_clustering as module

    whole = square_clustering(NETS["random0"])
    monkeypatch.setattr(module, "row_parts", lambda a, b: row_parts(a, b, 500))
    assert np.array_equal(square_clustering(NETS["random0"]), whole)
    matrix = cg.build_graph(NETS["random0"]).adjacency
    parts = row_parts(matrix, matrix, 500)
    assert len(parts) > 5
    assert np.array_equal(np.concatenate([np.arange(n := 292)[p] for p in parts]), np.arange(n))


def test_odd_graphs_and_sizes():
    for n in (0, 1, 4):
        for measure in (clustering, square_clustering):
            with pytest.raises(UndefinedMeasureError):
                measure(graph_of([], n))
    with pytest.raises(UndefinedMeasureError):
        clustering(graph_of([(0, 0, 1.0, 0)], 1))
    line = graph_of([(0, 1, 0.0, 0), (1, 2, 1.0, 0)], 4)
    assert square_clustering(line).tolist() == [0, 0, 0, 0]
    for measure in (clustering, square_clustering):
        with pytest.raises(GraphSizeError, match="max_operations"):
            measure(NETS["random0"], max_operations=10)
