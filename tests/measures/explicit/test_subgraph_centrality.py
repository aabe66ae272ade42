import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import graph_of, networks, random_graph, undirected
from scipy.linalg import expm

import cntgraph as cg
from cntgraph.core.errors import GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.subgraph_centrality import subgraph_centrality

NETS = networks()


@pytest.mark.parametrize("name", NETS)
def test_it_is_that_of_networkx(name):
    expected = nx.subgraph_centrality(undirected(NETS[name]))
    expected = np.array([expected[k] for k in range(len(expected))])
    found = subgraph_centrality(NETS[name])
    assert found.dtype == np.float64
    assert np.allclose(found, expected, rtol=1e-8)
    assert np.allclose(subgraph_centrality(NETS[name], log=True), np.log(expected), atol=1e-8)


@given(st.integers(0, 10**6))
def test_it_is_the_diagonal_of_the_exponential(seed):
    graph = random_graph(seed)
    matrix = nx.to_numpy_array(undirected(graph), weight=None)
    assert np.allclose(subgraph_centrality(graph), np.diag(expm(matrix)), rtol=1e-9)


def test_a_directed_network_without_loops_would_have_one_everywhere():
    matrix = cg.build_graph(cg.toy("mlp")).adjacency.toarray() != 0
    assert np.array_equal(np.diag(expm(matrix.astype(float))), np.ones(20))


def test_graphs_that_are_too_dense_or_too_large():
    n = 730
    graph = cg.Graph.from_edges(*np.triu_indices(n, 1), np.ones(n * (n - 1) // 2), nodes=n)
    with pytest.raises(UndefinedMeasureError, match="log=True"):
        subgraph_centrality(graph)
    # Of a complete graph: (exp(n - 1) + (n - 1) exp(-1)) / n, of which the second is nothing.
    expected = n - 1 - np.log(n)
    assert np.allclose(subgraph_centrality(graph, log=True), expected, rtol=1e-12)
    with pytest.raises(GraphSizeError, match="max_nodes=5"):
        subgraph_centrality(cg.toy("mlp"), max_nodes=5)
    with pytest.raises(GraphSizeError):
        subgraph_centrality(cg.toy("mlp"), max_edges=5)


def test_odd_graphs():
    assert subgraph_centrality(graph_of([], 0)).shape == (0,)
    assert subgraph_centrality(graph_of([(0, 0, 1.0, 0)], 1)).tolist() == [1]
    assert subgraph_centrality(graph_of([], 3)).tolist() == [1, 1, 1]
    pair = subgraph_centrality(graph_of([(0, 1, 0.0, 0), (1, 0, np.nan, 1)], 3))
    assert np.allclose(pair, [np.cosh(1), np.cosh(1), 1])
