"""Graphs made of other graphs: fewer edges, other weights."""

import numpy as np
import pytest
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError


@pytest.fixture
def graph():
    return cg.build_graph(random_net(0))


def test_edges_are_kept_with_weight_and_block(graph):
    kept = np.random.default_rng(1).random(graph.n_edges) < 0.3
    fewer = graph.keep_edges(kept)
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.adjacency.indptr))
    found = np.repeat(np.arange(graph.n_nodes), np.diff(fewer.adjacency.indptr))
    np.testing.assert_array_equal(found, rows[kept])
    np.testing.assert_array_equal(fewer.adjacency.indices, graph.adjacency.indices[kept])
    np.testing.assert_array_equal(fewer.adjacency.data, graph.adjacency.data[kept])
    np.testing.assert_array_equal(fewer.edge_block, graph.edge_block[kept])
    assert fewer.n_nodes == graph.n_nodes
    assert fewer.layers == graph.layers


def test_none_and_all(graph):
    assert graph.keep_edges(np.zeros(graph.n_edges, dtype=bool)).n_edges == 0
    assert graph.keep_edges(np.ones(graph.n_edges, dtype=bool)).n_edges == graph.n_edges


@pytest.mark.parametrize("kept", [np.ones(3, dtype=bool), np.array([0, 1, 2])])
def test_one_truth_value_an_edge(graph, kept):
    with pytest.raises(CntGraphError, match="expected one truth value per edge"):
        graph.keep_edges(kept)


def test_other_weights_on_the_same_edges(graph):
    doubled = graph.with_weights(2 * graph.adjacency.data)
    assert (doubled.adjacency - 2 * graph.adjacency).nnz == 0
    np.testing.assert_array_equal(doubled.edge_block, graph.edge_block)


def test_one_weight_an_edge(graph):
    with pytest.raises(CntGraphError, match="one weight per edge"):
        graph.with_weights(np.ones(3))
