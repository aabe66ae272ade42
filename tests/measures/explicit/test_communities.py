import random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph, symmetric_matrix

import cntgraph as cg
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    NonFiniteWeightError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.measures.explicit.communities import communities, modularity

NETS = networks()


def parts(partition):
    return [set(np.flatnonzero(partition == k).tolist()) for k in np.unique(partition)]


def symmetric_graph(net, sign="absolute"):
    """A + Aᵀ as networkx has it: an undirected loop's weight counts twice in degrees."""
    matrix = symmetric_matrix(net, sign)
    made = nx.Graph()
    made.add_nodes_from(range(len(matrix)))
    for i, j in zip(*np.nonzero(np.triu(matrix)), strict=True):
        made.add_edge(int(i), int(j), weight=matrix[i, j] / (2 if i == j else 1))
    return made


@pytest.mark.parametrize("method", ["leiden", "louvain"])
@pytest.mark.parametrize("name", NETS)
def test_the_modularity_is_that_of_networkx(name, method):
    found = communities(NETS[name], method=method, sign="absolute")
    graph = symmetric_graph(NETS[name])
    expected = nx.community.modularity(graph, parts(found.partition))
    assert found.modularity == pytest.approx(expected, abs=1e-10)
    assert found.partition.dtype == np.int64
    sizes = np.bincount(found.partition)
    assert len(sizes) == found.n_communities
    assert (np.diff(sizes) <= 0).all()
    assert (sizes > 0).all()
    rival = nx.community.louvain_communities(graph, seed=0)
    assert found.modularity > nx.community.modularity(graph, rival) - 0.02


def test_two_dense_parts_are_found():
    rng, edges = np.random.default_rng(0), []
    for i in range(10):
        for j in range(10, 20):
            same = (i < 5) == (j < 15)
            edges.append((i, j, float(rng.uniform(1, 2) if same else rng.uniform(0, 0.05)), 0))
    found = communities(graph_of(edges, 20, [10, 10]))
    assert found.n_communities == 2
    expected = np.array([k % 10 >= 5 for k in range(20)])
    assert np.array_equal(found.partition, expected) or np.array_equal(found.partition, ~expected)
    finer = communities(graph_of(edges, 20), resolution=3.0)
    assert finer.n_communities > 2


@pytest.mark.parametrize("directed", [True, False])
@given(seed=st.integers(0, 10**6), resolution=st.sampled_from([0.5, 1.0, 2.0]))
def test_modularity_is_that_of_networkx(seed, resolution, directed):
    graph = random_graph(seed)
    labels = np.random.default_rng(seed).integers(-1, 3, graph.n_nodes)
    for sign in ("absolute", "positive", "negative"):
        oracle = digraph(graph, sign) if directed else symmetric_graph(graph, sign)
        expected = nx.community.modularity(oracle, parts(labels), resolution=resolution)
        options = {"directed": directed, "resolution": resolution, "sign": sign}
        assert modularity(graph, labels, **options) == pytest.approx(expected, abs=1e-10)


def test_the_same_rng_gives_the_same_and_the_global_state_stays():
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    found = [communities(NETS["random0"], sign="absolute", rng=r) for r in (7, 7, 8)]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    assert np.array_equal(found[0].partition, found[1].partition)
    import igraph

    random.seed(5)
    first = igraph.Graph.Erdos_Renyi(n=20, m=40).get_edgelist()
    random.seed(5)
    assert igraph.Graph.Erdos_Renyi(n=20, m=40).get_edgelist() == first


def test_split_and_policies():
    net = NETS["mlp"]
    both = communities(net, sign="split")
    assert both.negative.modularity == communities(net, sign="negative").modularity
    labels = np.zeros(net.n_nodes, int)
    for measure in (communities, lambda net, **k: modularity(net, labels, **k)):
        with pytest.raises(SignedWeightError):
            measure(net)
        with pytest.raises(GraphSizeError):
            measure(net, sign="absolute", max_edges=3)
        with pytest.raises(NonFiniteWeightError):
            measure(graph_of([(k, k + 1, np.inf, 0) for k in range(19)], 20))
    with pytest.raises(CntGraphError, match="'leiden' or 'louvain'"):
        communities(net, method="infomap")
    for wrong in (labels[1:], labels.astype(float)):
        with pytest.raises(CntGraphError, match="one integer per node"):
            modularity(net, wrong, sign="absolute")


def test_odd_graphs():
    for graph in (graph_of([], 0), graph_of([], 3), graph_of([(0, 1, 0.0, 0)], 3)):
        with pytest.raises(UndefinedMeasureError, match="total, which is 0"):
            communities(graph)
        with pytest.raises(UndefinedMeasureError, match="total, which is 0"):
            modularity(graph, np.zeros(graph.n_nodes, int))
    with pytest.raises(UndefinedMeasureError):
        communities(graph_of([(0, 1, 1.0, 0)], 2), sign="negative")
    one = communities(graph_of([(0, 0, 1.0, 0)], 1))
    assert (one.n_communities, one.modularity) == (1, 0.0)
    apart = communities(graph_of([(0, 1, 1.0, 0), (2, 3, 1.0, 0)], 5))
    assert apart.partition.tolist() == [0, 0, 1, 1, 2]
    assert apart.modularity == pytest.approx(0.5)


def test_a_toy_by_layer():
    net = cg.toy("mlp")
    layers = np.repeat(np.arange(net.n_layers), [layer.n_nodes for layer in net.layers])
    assert modularity(net, layers, sign="absolute") < 0
    assert modularity(net, np.zeros(net.n_nodes, int), sign="absolute") == pytest.approx(0)
