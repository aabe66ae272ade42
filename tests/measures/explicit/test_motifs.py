from itertools import combinations, permutations

import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.motif_names import MOTIFS, motif_edges, motif_names
from cntgraph.measures.explicit.motifs import motifs, null_scores
from cntgraph.measures.explicit.wiring import Wiring

NETS = networks()
#: The names of networkx's triads.
TRIADS = {
    "V-out": "021D", "V-in": "021U", "chain": "021C", "feed-forward loop": "030T",
    "cycle": "030C", "mutual in": "111D", "mutual out": "111U", "two mutual": "201",
    "regulating mutual": "120D", "regulated mutual": "120U", "mutual cycle": "120C",
    "semi-clique": "210", "clique": "300",
}  # fmt: skip


def counted(net, size):
    return motifs(net, size).set_index("motif")["count"].to_dict()


def simple(net):
    graph = nx.DiGraph(digraph(net))
    graph.remove_edges_from([(k, k) for k in graph if graph.has_edge(k, k)])
    return graph


@pytest.mark.parametrize("name", [name for name in NETS if name != "trained"])
def test_three_nodes_are_the_triads_of_networkx(name):
    census = nx.triadic_census(simple(NETS[name]))
    found = counted(NETS[name], 3)
    connected = {k: v for k, v in census.items() if v and k not in ("003", "012", "102")}
    assert {TRIADS[name]: count for name, count in found.items()} == connected


@given(st.integers(0, 10**6))
def test_three_nodes_of_any_graph(seed):
    graph = random_graph(seed)
    census = nx.triadic_census(simple(graph))
    found = counted(graph, 3)
    for name, triad in TRIADS.items():
        assert found.get(name, 0) == census[triad]


def canonical(edges, size):
    """The smallest of the adjacency matrices of all orders of the nodes."""
    return min(tuple(sorted((p[i], p[j]) for i, j in edges)) for p in permutations(range(size)))


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_four_nodes_of_any_graph(seed):
    graph = random_graph(seed)
    oracle, expected = simple(graph), {}
    for nodes in combinations(range(graph.n_nodes), 4):
        part = oracle.subgraph(nodes)
        if nx.is_weakly_connected(part):
            place = {node: k for k, node in enumerate(nodes)}
            key = canonical([(place[i], place[j]) for i, j in part.edges], 4)
            expected[key] = expected.get(key, 0) + 1
    table = motifs(graph, 4)
    found = {}
    for edges, n_edges, count in table[["edges", "n_edges", "count"]].itertuples(index=False):
        pairs = [tuple(int(k) for k in edge.split("→")) for edge in edges.split()]
        assert len(pairs) == n_edges
        found[canonical(pairs, 4)] = count
    assert found == expected


def test_names_are_of_different_motifs():
    for size in (3, 4):
        names = motif_names(size)
        assert sorted(names.values()) == sorted(MOTIFS[size])
        for isoclass in names:
            pairs = [
                tuple(int(k) for k in e.split("→")) for e in motif_edges(size, isoclass).split()
            ]
            assert igraph.Graph(size, pairs, directed=True).isoclass() == isoclass
    assert motif_edges(4, 200).count("→") > 3


def test_every_connected_triad_has_a_name():
    assert set(MOTIFS[3]) == set(TRIADS)


def test_a_bi_fan_and_a_bi_parallel():
    fan = graph_of([(0, 2, 1.0, 0), (0, 3, 1.0, 0), (1, 2, 1.0, 0), (1, 3, 1.0, 0)], 5)
    assert counted(fan, 4) == {"bi-fan": 1}
    diamond = graph_of([(0, 1, 1.0, 0), (0, 2, 1.0, 0), (1, 3, 1.0, 0), (2, 3, 1.0, 0)], 4)
    assert counted(diamond, 4) == {"bi-parallel": 1}


def test_z_scores_are_those_of_the_nulls():
    graph = cg.build_graph(cg.toy("mlp"), threshold=0.4)
    table = motifs(graph, 4, n_nulls=30, rng=2).set_index("motif")
    rng, wiring = np.random.default_rng(2), Wiring.of(graph)
    counts = []
    for _ in range(30):
        null = wiring.rewired(rng)
        edges = list(zip(null.source.tolist(), null.target.tolist(), strict=True))
        counts.append(counted(graph_of([(i, j, 1.0, 0) for i, j in edges], 20), 4))
    for name, row in table.iterrows():
        values = np.array([c.get(name, 0) for c in counts], float)
        assert row["null_mean"] == pytest.approx(values.mean())
        assert row["null_std"] == pytest.approx(values.std(ddof=1))
        if values.std():
            expected = (row["count"] - values.mean()) / values.std(ddof=1)
            assert row["z"] == pytest.approx(expected)
        else:
            assert np.isnan(row["z"])
        assert 1 / 31 <= row["p"] <= 1
    assert motifs(graph, 4, n_nulls=30, rng=2).equals(table.reset_index())


def test_what_degrees_decide_is_not_scored():
    graph = cg.build_graph(cg.toy("mlp"), threshold=0.4)
    with pytest.raises(UndefinedMeasureError, match="size=4"):
        motifs(graph, 3, n_nulls=5)
    table = motifs(graph, 4, n_nulls=5).set_index("motif")
    assert table.loc[["fan-in", "fan-out", "merge", "branch"], "z"].isna().all()
    assert table.loc[["fan-in", "fan-out", "merge", "branch"], "p"].eq(1).all()


def test_more_of_a_motif_than_by_chance_is_found():
    """Pairs of nodes that share both targets: bi-fans, in a network that is sparse."""
    edges = []
    for k in range(0, 40, 2):
        for i in (k, k + 1):
            for j in (40 + k, 41 + k):
                edges.append((i, j, 1.0, 0))
    table = motifs(graph_of(edges, 80), 4, n_nulls=20).set_index("motif")
    assert table.loc["bi-fan", "count"] == 20
    assert table.loc["bi-fan", "z"] > 5
    assert table.loc["bi-fan", "p"] == 1 / 21


def test_scores_of_values_that_do_not_vary():
    found = null_scores(np.array([2.0, 5.0]), np.array([[2.0, 4.0], [2.0, 4.0]]))
    assert np.isnan(found["z"]).all()
    assert found["p"].tolist() == [1.0, 1 / 3]


def test_arguments_and_sizes():
    net = cg.toy("mlp")
    with pytest.raises(CntGraphError, match="size 3 or 4"):
        motifs(net, 5)
    for n in (-1, 1):
        with pytest.raises(CntGraphError, match="n_nulls"):
            motifs(net, n_nulls=n)
    with pytest.raises(GraphSizeError, match="n_nulls= or size=3"):
        motifs(net, 4, max_operations=1000)
    with pytest.raises(UndefinedMeasureError, match="no two edges can be swapped"):
        motifs(net, 4, n_nulls=3)


def test_odd_graphs():
    for n in (0, 1, 4):
        for size in (3, 4):
            assert len(motifs(graph_of([], n), size)) == 0
    loop = graph_of([(0, 0, 1.0, 0), (0, 1, np.nan, 0), (0, 2, 0.0, 0), (0, 2, 1.0, 1)], 4)
    assert counted(loop, 3) == {"V-out": 1}
    assert list(motifs(loop, 4).columns) == ["motif", "edges", "n_edges", "count"]
    assert counted(graph_of([(0, 1, 1.0, 0), (2, 3, 1.0, 0)], 4), 3) == {}


def test_a_network_with_nearly_all_edges_is_told_to_have_fewer():
    """All but the pairs of a matching: wherever swaps lead, the network is the same."""
    graph = cg.build_graph(cg.load([np.ones((3, 3))]))
    kept = np.array([i != j for i in range(3) for j in range(3)])
    with pytest.raises(UndefinedMeasureError, match="Pass fewer"):
        motifs(graph.keep_edges(kept), 4, n_nulls=5)
