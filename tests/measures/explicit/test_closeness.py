import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph, with_lengths

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, SignedWeightError
from cntgraph.measures.explicit.closeness import closeness

NETS = networks()
LENGTHS = (None, "inverse", "neglog")


def expected(graph, direction, harmonic, length):
    """That of networkx; on the reversed graph for distances from the node."""
    graph = graph if direction == "in" else graph.reverse()
    distance = None if length is None else "length"
    if harmonic:
        found = nx.harmonic_centrality(graph, distance=distance)
        return np.array([found[k] for k in sorted(graph)]) / max(len(graph) - 1, 1)
    found = nx.closeness_centrality(graph, distance=distance)
    return np.array([found[k] for k in sorted(graph)])


@pytest.mark.parametrize("harmonic", [False, True])
@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("name", NETS)
def test_hops_are_those_of_networkx(name, direction, harmonic):
    oracle = expected(with_lengths(digraph(NETS[name]), None), direction, harmonic, None)
    found = closeness(NETS[name], direction=direction, harmonic=harmonic)
    assert found.dtype == np.float64
    assert np.allclose(found, oracle, rtol=1e-10, atol=1e-14)


@given(
    st.integers(0, 10**6), st.sampled_from(LENGTHS), st.sampled_from(["in", "out"]), st.booleans()
)
def test_any_graph(seed, length, direction, harmonic):
    graph = random_graph(seed)
    for sign in ("absolute", "positive", "negative"):
        lengths = with_lengths(digraph(graph, sign), length)
        oracle = expected(lengths, direction, harmonic, length)
        options = {"direction": direction, "harmonic": harmonic, "length": length}
        found = closeness(graph, sign=sign, **options)
        known = np.isfinite(found)  # networkx makes 0 of nodes at distance 0
        assert np.allclose(found[known], oracle[known], rtol=1e-9, atol=1e-12)
        assert known.all() or length == "neglog"


@pytest.mark.parametrize("name", ["mlp", "residual", "random1", "recurrent"])
def test_lengths_of_networks(name):
    graph = with_lengths(digraph(NETS[name]), "inverse")
    found = closeness(NETS[name], length="inverse", sign="absolute")
    assert np.allclose(found, expected(graph, "in", False, "inverse"), rtol=1e-9)


def test_nodes_at_distance_zero_are_infinitely_near():
    graph = graph_of([(0, 1, 2.0, 0), (1, 2, 1.0, 0)], 3)
    assert closeness(graph, length="neglog").tolist()[:2] == [0.0, np.inf]
    harmonic = closeness(graph, length="neglog", harmonic=True)
    assert harmonic[1] == np.inf
    assert harmonic[2] == pytest.approx(1 / np.log(2))


def test_odd_graphs():
    for harmonic in (False, True):
        for length in LENGTHS:
            options = {"harmonic": harmonic, "length": length}
            assert closeness(graph_of([], 0), **options).shape == (0,)
            assert closeness(graph_of([(0, 0, 1.0, 0)], 1), **options).tolist() == [0.0]
            assert closeness(graph_of([], 3), **options).tolist() == [0.0] * 3
    zero = graph_of([(0, 1, 0.0, 0)], 2)
    assert closeness(zero).tolist() == [0.0, 1.0]
    assert closeness(zero, length="inverse").tolist() == [0.0, 0.0]


def test_policies_and_sizes_are_checked():
    net = cg.toy("mlp")
    with pytest.raises(SignedWeightError, match="closeness"):
        closeness(net, length="neglog")
    with pytest.raises(CntGraphError, match="'in' or 'out'"):
        closeness(net, direction="total")
    with pytest.raises(GraphSizeError, match="max_operations"):
        closeness(net, max_operations=10)
    both = closeness(net, length="inverse", sign="split")
    assert np.array_equal(both.negative, closeness(net, length="inverse", sign="negative"))
