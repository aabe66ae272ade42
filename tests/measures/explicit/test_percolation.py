import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import graph_of, networks, random_graph
from oracles.graphs import ODD, odd

import cntgraph as cg
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    NonFiniteWeightError,
    UndefinedMeasureError,
)

NETS = networks()
SMALL = ("mlp", "residual", "recurrent")
SEEDS = st.integers(0, 10**6)


def whole(graph):
    """The graph in networkx, every edge with its place in the adjacency."""
    made = nx.MultiDiGraph()
    made.add_nodes_from(range(graph.n_nodes))
    matrix = graph.adjacency
    source = np.repeat(np.arange(graph.n_nodes), np.diff(matrix.indptr))
    for k, ends in enumerate(zip(source.tolist(), matrix.indices.tolist(), strict=True)):
        made.add_edge(*ends, key=k, weight=abs(float(matrix.data[k])))
    return made


def left_after(graph, n_removed, values, of_nodes, sign):
    """What is left when so many edges or nodes are gone."""
    made = whole(graph)
    ranked = sorted(range(len(values)), key=lambda k: sign * values[k])[:n_removed]
    if of_nodes:
        made.remove_nodes_from(ranked)
    else:
        gone = set(ranked)
        made.remove_edges_from([e for e in made.edges(keys=True) if e[2] in gone])
    return made


def ends(graph):
    layers = graph.nodes["layer_index"].to_numpy()
    into, out = (
        np.flatnonzero(np.isin(layers, [k for k, x in enumerate(graph.layers) if getattr(x, is_)]))
        for is_ in ("is_input", "is_output")
    )
    return into.tolist(), out.tolist()


def joined(made, into, out):
    """Pairs that a path joins."""
    reach = {i: nx.descendants(made, i) | {i} for i in into if i in made}
    return sum(o in reach[i] for i in reach for o in out)


def n_paths(made, into, out):
    if not nx.is_directed_acyclic_graph(made):
        return np.nan
    counts = {}
    for node in nx.topological_sort(made):
        before = sum(counts[u] for u, *_ in made.in_edges(node, keys=True))
        counts[node] = before + (node in into)
    return sum(counts[o] for o in out if o in counts)


def share(now, before):
    return now / before if before and not np.isnan(before) else np.nan


def check(graph, table, values, of_nodes, sign, connection="weak"):
    into, out = ends(graph)
    start = whole(graph)
    before = joined(start, into, out), n_paths(start, into, out)
    kind = f"{connection}ly_connected_components"
    assert table["n_removed"].iloc[[0, -1]].tolist() == [0, len(values)]
    for row in table.itertuples():
        made = left_after(graph, row.n_removed, values, of_nodes, sign)
        sizes = [len(part) for part in getattr(nx, kind)(made)]
        assert (row.largest, row.n_components) == (max(sizes, default=0), len(sizes))
        assert row.largest_share == max(sizes, default=0) / max(graph.n_nodes, 1)
        assert row.removed == row.n_removed / max(len(values), 1)
        now = joined(made, into, out), n_paths(made, into, out)
        np.testing.assert_allclose(row.pairs, share(now[0], before[0]))
        expected = np.nan if np.isnan(before[1]) else share(now[1], before[1])
        np.testing.assert_allclose(row.paths, expected, rtol=1e-9, atol=1e-12)


@given(SEEDS, st.sampled_from(["smallest", "largest"]), st.booleans(), st.integers(2, 40))
def test_edges_by_weight(seed, remove, layered, n_points):
    graph = random_graph(seed, layered=layered)
    values = np.abs(graph.adjacency.data)
    table = cg.percolation(graph, remove, n_points=n_points)
    check(graph, table, values, False, 1 if remove == "smallest" else -1)
    ordered = np.sort(values) if remove == "smallest" else -np.sort(-values)
    assert np.isnan(table["threshold"].iloc[0])
    expected = ordered[table["n_removed"].iloc[1:] - 1]
    assert table["threshold"].iloc[1:].tolist() == expected.tolist()


@given(SEEDS, st.booleans())
def test_nodes_by_hubs_or_by_any_values(seed, layered):
    graph = random_graph(seed, layered=layered)
    strength = cg.node_strength(graph, transform="absolute")
    check(graph, cg.percolation(graph, "hubs", n_points=6), strength, True, -1)
    values = np.random.default_rng(seed).integers(4, size=graph.n_nodes)
    check(graph, cg.percolation(graph, values, n_points=99), values, True, -1)


@given(SEEDS)
def test_strong_components(seed):
    graph = random_graph(seed)
    strong = max(len(part) for part in nx.strongly_connected_components(whole(graph)))
    if strong == 1:
        with pytest.raises(UndefinedMeasureError, match="connection='weak'"):
            cg.percolation(graph, connection="strong")
        return
    values = np.abs(graph.adjacency.data)
    table = cg.percolation(graph, connection="strong", n_points=6)
    check(graph, table, values, False, 1, "strong")
    table = cg.percolation(graph, "hubs", connection="strong", n_points=6)
    strength = cg.node_strength(graph, transform="absolute")
    check(graph, table, strength, True, -1, "strong")


@pytest.mark.parametrize("remove", ["smallest", "largest", "hubs"])
@pytest.mark.parametrize("name", SMALL)
def test_networks(name, remove):
    graph = cg.build_graph(NETS[name])
    table = cg.percolation(NETS[name], remove, n_points=9)
    values = np.abs(graph.adjacency.data)
    if remove == "hubs":
        values = cg.node_strength(graph, transform="absolute", edges="all", bias=False)
    check(graph, table, values, remove == "hubs", 1 if remove == "smallest" else -1)


def test_a_network_of_more_inputs_and_outputs_than_are_followed_at_once():
    rng = np.random.default_rng(0)
    layers = {"in": 90, "hidden": 3, "out": 80}
    source = [*range(90), *np.repeat([90, 91, 92], 80).tolist()]
    target = [*rng.integers(90, 93, 90).tolist(), *list(range(93, 173)) * 3]
    graph = cg.Graph.from_edges(source, target, rng.normal(size=330), layers=layers)
    table = cg.percolation(graph, n_points=5)
    check(graph, table, np.abs(graph.adjacency.data), False, 1)


def test_many_paths_are_not_too_many():
    """A path through 500 layers of 10 nodes: 10^500 paths, each link lost takes a tenth of them."""
    n, width = 500, 10
    nodes = np.arange(n * width).reshape(n, width)
    source = np.repeat(nodes[:-1], width, axis=1).ravel()
    target = np.tile(nodes[1:], (1, width)).ravel()
    layers = {f"l{k}": width for k in range(n)}
    weight = np.where(np.arange(len(source)) < width, 0.5, 1.0)  # those of the first node
    graph = cg.Graph.from_edges(source, target, weight, layers=layers)
    values = np.zeros(graph.n_nodes)
    values[255] = 1.0  # one of ten nodes of a layer inside
    table = cg.percolation(graph, values, n_points=graph.n_nodes + 1)
    np.testing.assert_allclose(table["paths"].iloc[:2], [1.0, 0.9])
    assert table["pairs"].iloc[1] == 1.0


def test_random_orders_are_those_of_their_seed():
    net = NETS["mlp"]
    for remove in ("random", "random_nodes"):
        table = cg.percolation(net, remove, rng=3, n_points=11)
        assert table.equals(cg.percolation(net, remove, rng=3, n_points=11))
        assert not table.equals(cg.percolation(net, remove, rng=4, n_points=11))
        assert table["threshold"].isna().all()
        n = net.n_edges if remove == "random" else net.n_nodes
        order = np.random.default_rng(3).permutation(n)
        graph = cg.build_graph(net)
        check(graph, table, np.argsort(order), remove == "random_nodes", 1)


def test_learned_edges_only():
    net = NETS["residual"]
    graph = cg.build_graph(net, edges="parametric")
    assert cg.percolation(net, edges="parametric").equals(cg.percolation(graph))


@pytest.mark.parametrize("name", [name for name in ODD if name != "NaN"])
def test_odd_graphs(name):
    graph = odd(name)
    for remove in ("smallest", "hubs"):
        table = cg.percolation(graph, remove, n_points=4)
        values = np.abs(graph.adjacency.data)
        if remove == "hubs":
            values = cg.node_strength(graph, transform="absolute", edges="all", bias=False)
        check(graph, table, values, remove == "hubs", 1 if remove == "smallest" else -1)


def test_what_is_refused():
    graph = graph_of([(0, 1, np.nan, 0), (1, 0, 1.0, 0)], 2)
    with pytest.raises(NonFiniteWeightError):
        cg.percolation(graph)
    assert len(cg.percolation(graph, "random")) == 3
    for options, message in (
        ({"remove": "all"}, "'hubs', 'random_nodes' or values"),
        ({"remove": [1.0]}, "one value per node"),
        ({"remove": [1.0, np.nan]}, "none of them NaN"),
        ({"connection": "both"}, "'weak' or 'strong'"),
        ({"n_points": 1}, "at least 2 points"),
    ):
        with pytest.raises(CntGraphError, match=message):
            cg.percolation(graph, **{"remove": "random", **options})
    with pytest.raises(GraphSizeError):
        cg.percolation(NETS["mlp"], max_edges=3)


@pytest.mark.parametrize("connection", ["weak", "strong"])
@given(SEEDS)
def test_components_are_those_of_networkx(connection, seed):
    graph = random_graph(seed, n_edges=9)
    found = cg.components(graph, connection=connection)
    parts = list(getattr(nx, f"{connection}ly_connected_components")(whole(graph)))
    parts.sort(key=lambda part: (-len(part), min(part)))
    assert found.sizes.tolist() == [len(part) for part in parts]
    assert [set(np.flatnonzero(found.labels == k)) for k in range(len(parts))] == parts
    assert (found.n_components, found.largest) == (len(parts), len(parts[0]))


def test_components_of_odd_graphs_and_arguments():
    assert cg.components(odd("no nodes")).largest == 0
    assert cg.components(odd("only zero weights")).n_components == 1
    assert cg.components(NETS["cnn"], edges="parametric").n_components > 1
    with pytest.raises(CntGraphError, match="'weak' or 'strong'"):
        cg.components(NETS["mlp"], connection="any")
