from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.graphs import edges_of, graph_of, graphs, odd

import cntgraph as cg
from cntgraph.graph.reduction.nodes import drop_isolated_nodes, keep_nodes
from cntgraph.graph.reduction.sampling import sample_edges, sample_nodes


@pytest.mark.parametrize("weighted", [False, True])
@given(graph=graphs(), n=st.integers(0, 30), seed=st.integers(0, 3))
def test_as_many_edges_as_asked_for(weighted, graph, n, seed):
    edges = edges_of(graph)
    candidates = sum(w != 0 for _, _, w, _ in edges) if weighted else len(edges)
    found = sample_edges(graph, n, weighted=weighted, rng=seed)
    assert found.graph.n_edges == min(n, candidates)
    again = sample_edges(graph, n, weighted=weighted, rng=np.random.default_rng(seed))
    assert edges_of(found.graph) == edges_of(again.graph)


def test_fractions_are_rounded():
    graph = cg.build_graph(cg.toy("mlp"))
    numbers = [sample_edges(graph, fraction=f, rng=0).graph.n_edges for f in (0, 0.1, 0.5, 1)]
    assert numbers == [0, 9, 44, 88]
    assert sample_edges(odd("no edges"), fraction=0.5).edge_fraction == 1.0


def inclusion(weights, n):
    """Probability of each to be among n drawn one after another in proportion to weight."""
    found = np.zeros(len(weights))
    for order in permutations(range(len(weights)), n):
        left, p = sum(weights), 1.0
        for k in order:
            p, left = p * weights[k] / left, left - weights[k]
        found[list(order)] += p
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_how_likely_each_edge_is(weighted):
    weights, n, draws = [1.0, -2.0, 4.0, 0.5], 2, 4000
    graph = graph_of([1, 4], [(0, j + 1, w, 0) for j, w in enumerate(weights)])
    random, counts = np.random.default_rng(0), np.zeros(4)
    for _ in range(draws):
        found = sample_edges(graph, n, weighted=weighted, rng=random)
        counts[found.graph.adjacency.indices - 1] += 1
    expected = inclusion(np.abs(weights) if weighted else np.ones(4), n)
    assert np.abs(counts / draws - expected).max() < 4 * np.sqrt(0.25 / draws)


def test_the_global_state_is_not_touched():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    sample_edges(odd("parallel"), 2)
    sample_nodes(odd("parallel"), 1)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of n and fraction"),
        ({"n": 3, "fraction": 0.5}, "one of n and fraction"),
        ({"n": -1}, "number of edges of 0 or more"),
        ({"n": 1.0}, "number of edges of 0 or more"),
        ({"fraction": 1.5}, "between 0 and 1"),
        ({"fraction": float("nan")}, "between 0 and 1"),
    ],
)
def test_what_is_no_number_of_edges(options, message):
    with pytest.raises(cg.CntGraphError, match=message):
        sample_edges(odd("parallel"), **options)


@given(graph=graphs(), n=st.integers(0, 5), seed=st.integers(0, 3))
def test_nodes_of_every_layer(graph, n, seed):
    found = sample_nodes(graph, n, rng=seed)
    sizes = [layer.n_nodes for layer in found.graph.layers]
    assert sizes == [min(n, layer.n_nodes) for layer in graph.layers]
    check_induced(graph, found)


@given(graph=graphs(), data=st.data())
def test_any_nodes(graph, data):
    kept = np.array(
        data.draw(st.lists(st.booleans(), min_size=graph.n_nodes, max_size=graph.n_nodes)), bool
    )
    found = keep_nodes(graph, kept)
    assert found.node_ids.tolist() == np.flatnonzero(kept).tolist()
    check_induced(graph, found)


def check_induced(graph, found):
    """All edges among the nodes that are kept, and the node table of the whole graph."""
    ids = found.node_ids.tolist()
    new = {old: k for k, old in enumerate(ids)}
    kept = [(new[i], new[j], w, b) for i, j, w, b in edges_of(graph) if i in new and j in new]
    assert edges_of(found.graph) == kept
    small, whole = found.graph.nodes, graph.nodes.iloc[ids]
    assert small.to_dict("list") == whole.to_dict("list")
    assert small.index.tolist() == list(range(len(ids)))
    assert small.index.name == "node"
    for layer in found.graph.layers:
        assert set(small["layer"].iloc[layer.slice]) <= {layer.name}
    matrix = found.graph.adjacency
    assert matrix.indices.dtype == matrix.indptr.dtype
    assert found.graph.parametric_bias.tolist() == graph.parametric_bias[ids].tolist()


def test_every_node_is_as_likely():
    graph, counts = odd("disconnected"), np.zeros(8)
    random = np.random.default_rng(0)
    for _ in range(2000):
        counts[sample_nodes(graph, 1, rng=random).node_ids] += 1
    assert np.abs(counts / 2000 - 0.25).max() < 4 * np.sqrt(0.25 / 2000)


def test_places_survive_further_reductions():
    graph = cg.build_graph(cg.toy("cnn"))
    small = sample_nodes(sample_nodes(graph, 8, rng=0).graph, 5, rng=0).graph
    labels = set(graph.node_attributes()["label"])
    assert set(small.node_attributes()["label"]) <= labels
    assert small.keep_edges(np.zeros(small.n_edges, bool)).nodes is small.nodes
    assert set(dict(small.to_networkx().nodes(data="label")).values()) <= labels


def test_a_table_has_a_row_a_node():
    graph = cg.build_graph(cg.toy("mlp"))
    from dataclasses import replace

    with pytest.raises(cg.CntGraphError, match="expected an adjacency"):
        replace(graph, table=graph.nodes.iloc[:3])


def test_isolated_nodes():
    found = drop_isolated_nodes(odd("isolated nodes"))
    assert found.node_ids.tolist() == [1, 4]
    assert edges_of(found.graph) == [(0, 1, 0.5, 0)]
    assert drop_isolated_nodes(odd("single node")).graph.n_nodes == 0
    assert drop_isolated_nodes(odd("single node, loop")).graph.n_nodes == 1
    assert drop_isolated_nodes(odd("zero weights")).graph.n_nodes == 4


@pytest.mark.parametrize("kept", [[True], np.ones(4), np.ones((4, 1), bool)])
def test_what_does_not_say_which_nodes(kept):
    with pytest.raises(cg.CntGraphError, match=r"one truth value per node, shape \(4,\)"):
        keep_nodes(odd("parallel"), kept)


@pytest.mark.parametrize("n", [-1, 1.5, None, True])
def test_what_is_no_number_of_nodes(n):
    with pytest.raises(cg.CntGraphError, match="number of nodes per layer of 0 or more"):
        sample_nodes(odd("parallel"), n)
