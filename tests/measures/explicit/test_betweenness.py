from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import (
    digraph,
    fewest_hops_betweenness,
    graph_of,
    networks,
    random_graph,
    with_lengths,
)

import cntgraph as cg
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    NonFiniteWeightError,
    SignedWeightError,
)
from cntgraph.measures.explicit.betweenness import betweenness, edge_betweenness, operations

NETS = networks()
SMALL = [name for name in NETS if name != "trained"]


def values(found):
    return np.array([found[k] for k in range(len(found))])


@pytest.mark.parametrize("name", NETS)
def test_hops_are_those_of_networkx(name):
    graph = with_lengths(digraph(NETS[name]), None)
    for normalized in (True, False):
        expected = values(nx.betweenness_centrality(graph, normalized=normalized))
        found = betweenness(NETS[name], normalized=normalized)
        assert found.dtype == np.float64
        assert np.allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sign", ["absolute", "positive", "negative"])
@pytest.mark.parametrize("name", SMALL)
def test_lengths_are_those_of_networkx(name, sign):
    graph = with_lengths(digraph(NETS[name], sign), "inverse")
    expected = values(nx.betweenness_centrality(graph, weight="length"))
    found = betweenness(NETS[name], length="inverse", sign=sign)
    assert np.allclose(found, expected, rtol=1e-10, atol=1e-12)


@given(st.integers(0, 10**6))
def test_products_of_weights_with_the_largest_at_length_zero(seed):
    graph = random_graph(seed, n_nodes=7, n_edges=14)
    expected = fewest_hops_betweenness(with_lengths(digraph(graph, "absolute"), "neglog"))
    found = betweenness(graph, length="neglog", sign="absolute", normalized=False)
    assert np.allclose(found, expected, atol=1e-9)


@given(st.integers(0, 10**6), st.sampled_from([None, "inverse"]))
def test_any_graph(seed, length):
    graph = random_graph(seed)
    for sign in ("absolute", "positive", "negative"):
        oracle = with_lengths(digraph(graph, sign), length)
        weight = None if length is None else "length"
        expected = values(nx.betweenness_centrality(oracle, weight=weight))
        assert np.allclose(betweenness(graph, length=length, sign=sign), expected, atol=1e-12)


@given(st.integers(0, 10**6))
def test_paths_that_are_equally_long_are_told_despite_rounding(seed):
    """networkx is exact if its lengths are; with floats it misses ties."""
    rng = np.random.default_rng(seed)
    tenths = {(i, j): int(rng.integers(1, 11)) for i, j in rng.integers(8, size=(24, 2)) if i != j}
    oracle = nx.DiGraph()
    oracle.add_nodes_from(range(8))
    oracle.add_weighted_edges_from((*pair, Fraction(10, w)) for pair, w in tenths.items())
    expected = values(nx.betweenness_centrality(oracle, weight="weight"))
    graph = graph_of([(*pair, w / 10, 0) for pair, w in tenths.items()], 8)
    assert np.allclose(betweenness(graph, length="inverse"), expected, atol=1e-12)


def test_split_is_both_one_by_one():
    net = NETS["residual"]
    both = betweenness(net, length="inverse", sign="split")
    for part in ("positive", "negative"):
        one = betweenness(net, length="inverse", sign=part)
        assert np.array_equal(getattr(both, part), one)
    assert not np.array_equal(both.positive, both.negative)


def check_edges(net, length, sign):
    oracle = with_lengths(digraph(net, sign), length)
    weight = None if length is None else "length"
    expected = nx.edge_betweenness_centrality(oracle, weight=weight)
    graph = net if isinstance(net, cg.Graph) else cg.build_graph(net)
    found = edge_betweenness(net, length=length, sign=sign)
    assert found.shape == (graph.n_edges,)
    edges = graph.adjacency.tocoo()
    for i, j, value in zip(edges.row.tolist(), edges.col.tolist(), found, strict=True):
        assert value == pytest.approx(expected.get((i, j), 0.0), abs=1e-12)


@pytest.mark.parametrize("length", [None, "inverse"])
@pytest.mark.parametrize("name", ["mlp", "recurrent", "residual"])
def test_edges_are_those_of_networkx(name, length):
    check_edges(NETS[name], length, "absolute")


@given(st.integers(0, 10**6), st.sampled_from([None, "inverse"]))
def test_edges_of_any_graph(seed, length):
    for sign in ("absolute", "positive", "negative"):
        check_edges(random_graph(seed), length, sign)


@pytest.mark.parametrize("normalized", [True, False])
def test_samples_are_scaled_as_by_networkx(normalized):
    net, n_samples = NETS["random0"], 30
    graph = with_lengths(digraph(net), None)
    sources = np.sort(np.random.default_rng(5).choice(net.n_nodes, n_samples, replace=False))
    found = betweenness(net, n_samples=n_samples, rng=5, normalized=normalized)

    class Chosen(nx.utils.PythonRandomViaNumpyBits):
        """Samples the sources that were drawn here."""

        def sample(self, population, k):
            return sources.tolist()

    expected = nx.betweenness_centrality(graph, k=n_samples, seed=Chosen(), normalized=normalized)
    assert np.allclose(found, values(expected), rtol=1e-10)


def test_samples_come_near_and_are_the_same_for_the_same_rng():
    net = NETS["cnn"]
    exact, drawn = betweenness(net), [betweenness(net, n_samples=60, rng=r) for r in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    many = np.mean([betweenness(net, n_samples=60, rng=r) for r in range(200)], axis=0)
    assert np.abs(many - exact).max() < 0.1 * exact.max()
    assert np.array_equal(betweenness(net, n_samples=net.n_nodes), exact)


def test_structural_edges_and_graphs():
    net = NETS["cnn"]
    assert np.array_equal(betweenness(net), betweenness(cg.build_graph(net)))
    parametric = betweenness(net, edges="parametric")
    assert np.array_equal(parametric, betweenness(cg.build_graph(net), edges="parametric"))
    assert not np.array_equal(parametric, betweenness(net))


def test_weights_need_a_policy():
    net = cg.toy("mlp")
    for measure in (betweenness, edge_betweenness):
        with pytest.raises(SignedWeightError, match="sign='absolute'"):
            measure(net, length="inverse")
        with pytest.raises(CntGraphError, match="length to be 'inverse'"):
            measure(net, length="log")
    assert betweenness(net).max() > 0


def test_sizes_and_samples_are_checked():
    net = cg.toy("mlp")
    with pytest.raises(GraphSizeError, match="n_samples="):
        betweenness(net, max_operations=operations(net.n_nodes, net.n_edges) - 1)
    assert betweenness(net, n_samples=5, max_operations=operations(5, net.n_edges)).shape == (20,)
    with pytest.raises(GraphSizeError, match="max_edges"):
        betweenness(net, max_edges=10)
    for wrong in (1, 21):
        with pytest.raises(CntGraphError, match="n_samples to be 2 to 20"):
            betweenness(net, n_samples=wrong)


def test_odd_graphs():
    assert np.array_equal(betweenness(graph_of([], 0)), np.zeros(0))
    assert np.array_equal(betweenness(graph_of([(0, 0, 1.0, 0)], 1)), np.zeros(1))
    assert np.array_equal(betweenness(graph_of([(0, 1, 1.0, 0)], 2)), np.zeros(2))
    assert np.array_equal(betweenness(graph_of([], 5)), np.zeros(5))
    nothing = graph_of([(0, 1, 0.0, 0), (1, 2, 0.0, 0)], 3)
    assert betweenness(nothing, normalized=False).tolist() == [0, 1, 0]
    for length in ("inverse", "neglog"):  # an edge of weight zero carries no path
        assert betweenness(nothing, length=length).tolist() == [0, 0, 0]
    alike = graph_of([(0, 1, 2.0, 0), (1, 2, 2.0, 0)], 3)
    assert betweenness(alike, length="neglog", normalized=False).tolist() == [0, 1, 0]


def test_weights_that_are_not_finite():
    graph = graph_of([(0, 1, np.nan, 0), (1, 2, 1.0, 0)], 3)
    assert betweenness(graph, normalized=False).tolist() == [0, 1, 0]
    with pytest.raises(NonFiniteWeightError, match="block0"):
        betweenness(graph, length="inverse", sign="absolute")
