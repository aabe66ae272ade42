"""Measures that have no unit stay the same if all weights are multiplied by a number."""

import numpy as np
import pytest

import cntgraph as cg

MEASURES = {
    "betweenness": lambda net: cg.betweenness(net, length="inverse", sign="absolute"),
    "edge_betweenness": lambda net: cg.edge_betweenness(net, length="inverse", sign="absolute"),
    "hits": lambda net: np.concatenate(cg.hits(net, sign="absolute")),
    "hits of layers": lambda net: np.concatenate(cg.hits(net, sign="absolute", scope="layers")),
    "disparity": lambda net: cg.disparity(net, sign="absolute"),
    "disparity, one sign": lambda net: cg.disparity(net, sign="positive"),
    "participation_ratio": cg.participation_ratio,
    "inverse_participation_ratio": cg.inverse_participation_ratio,
    "pagerank": lambda net: cg.pagerank(net, sign="absolute"),
    "strength_correlation": cg.strength_correlation,
}


def network(factor):
    rng = np.random.default_rng(0)
    return cg.load([factor * rng.standard_normal(shape) for shape in ((6, 8), (8, 5), (5, 3))])


@pytest.mark.parametrize("factor", [1e12, 1e-12, 1e100, 1e-100, 1e150, 1e-160])
@pytest.mark.parametrize("name", MEASURES)
def test_a_factor_of_all_weights_changes_nothing(name, factor):
    measure = MEASURES[name]
    found, expected = measure(network(factor)), measure(network(1.0))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["disparity", "participation_ratio", "hits"])
def test_nor_does_it_in_the_explicit_graph(name):
    measure = MEASURES[name]
    found = measure(cg.build_graph(network(1e-160)))
    np.testing.assert_allclose(found, measure(network(1.0)), rtol=1e-9, atol=1e-12)


def test_structural_edges_have_a_unit():
    """A pooling's weights are numbers of their own: nothing is scaled beside them."""
    net = cg.toy("cnn")
    found, own = cg.participation_ratio(net, edges="all"), net.node_sums("square", "fourth")
    square, fourth = own["square"].incoming, own["fourth"].incoming
    expected = np.divide(square**2, fourth, out=np.full(net.n_nodes, np.nan), where=fourth > 0)
    np.testing.assert_array_equal(found, expected)
