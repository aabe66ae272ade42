import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import graph_of, networks, random_graph, undirected

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.rich_club import rich_club
from cntgraph.measures.explicit.wiring import Wiring

NETS = networks()


def check(net):
    graph = undirected(net)
    expected = nx.rich_club_coefficient(graph, normalized=False)
    table = rich_club(net)
    for k, n_nodes, n_edges, value in table.itertuples(index=False):
        rich = [node for node, d in graph.degree() if d > k]
        assert n_nodes == len(rich)
        assert n_edges == graph.subgraph(rich).number_of_edges()
        if k in expected:
            assert value == pytest.approx(expected[k])
    occurring = {0} | {d for _, d in graph.degree()}
    assert {k for k in expected if k in occurring} <= set(table["degree"])


@pytest.mark.parametrize("name", NETS)
def test_networks(name):
    check(NETS[name])


@given(st.integers(0, 10**6))
def test_any_graph(seed):
    check(random_graph(seed))


def test_nulls_have_the_same_degrees_and_the_ratio_is_to_their_mean():
    graph = cg.build_graph(cg.toy("cnn"), threshold=0.3)
    table = rich_club(graph, n_nulls=5, rng=3)
    rng, wiring = np.random.default_rng(3), Wiring.of(graph)
    values = []
    for _ in range(5):
        null = wiring.rewired(rng).matrix()
        made = nx.from_scipy_sparse_array(null + null.T)
        values.append(nx.rich_club_coefficient(made, normalized=False))
    for k, mean, ratio, own in table[["degree", "null_mean", "ratio", "coefficient"]].itertuples(
        index=False
    ):
        expected = np.mean([v[k] for v in values])
        assert mean == pytest.approx(expected)
        assert expected == 0 or ratio == pytest.approx(own / expected)
    assert rich_club(graph, n_nulls=5, rng=3).equals(table)


def test_nulls_of_loops_whose_edges_come_to_lead_both_ways():
    """A degree may be beyond all of a null: it is left out of the mean, not counted as 0."""
    edges = [(i, j, 1.0, 0) for i in range(6) for j in range(6) if (j - i) % 6 in (1, 2)]
    graph = graph_of([*edges, (0, 3, 1.0, 0)], 6)
    table = rich_club(graph, n_nulls=30)
    rng, wiring = np.random.default_rng(0), Wiring.of(graph)
    values = []
    for _ in range(30):
        made = nx.Graph(nx.from_scipy_sparse_array(wiring.rewired(rng).matrix()).edges)
        values.append(nx.rich_club_coefficient(made, normalized=False))
    degrees = {max(v) for v in values}
    assert len(degrees) > 1
    for k, mean in table[["degree", "null_mean"]].itertuples(index=False):
        expected = [v[k] for v in values if k in v]
        assert mean == pytest.approx(np.mean(expected)) if expected else np.isnan(mean)


def test_errors():
    with pytest.raises(UndefinedMeasureError, match="no two edges can be swapped"):
        rich_club(cg.toy("mlp"), n_nulls=3)
    for n in (0, 1, 3):
        with pytest.raises(UndefinedMeasureError, match="without edges"):
            rich_club(graph_of([], n))
    with pytest.raises(CntGraphError, match="n_nulls"):
        rich_club(cg.toy("mlp"), n_nulls=1)
    with pytest.raises(GraphSizeError):
        rich_club(cg.toy("mlp"), max_edges=3)
    loop = graph_of([(0, 0, 1.0, 0), (0, 1, np.nan, 0), (1, 0, 0.0, 0)], 3)
    assert rich_club(loop).iloc[0].tolist() == [0, 2, 1, 1.0]
