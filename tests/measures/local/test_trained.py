"""Local measures and neural persistence of networks that were trained, and of their graphs."""

import networkx as nx
import numpy as np
import pytest
from oracles import local
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.measures.explicit.neural_persistence import neural_persistence
from cntgraph.measures.local.degree import degree
from cntgraph.measures.local.disparity import disparity
from cntgraph.measures.local.neighbor_strength import average_neighbor_strength
from cntgraph.measures.local.participation_ratio import participation_ratio
from cntgraph.measures.local.strength_correlation import strength_correlation


@pytest.fixture(params=["neuron", "channel", "layer"])
def granularity(request):
    return request.param


@pytest.fixture(params=["training", "population"])
def net(request, granularity):
    with cg.open(cg.demo_file(request.param)) as trajectory:
        yield cg.coarsen(trajectory[-1], granularity)


def test_measures_of_nodes(net):
    edges, n = edge_list(net, "all"), net.n_nodes
    strength = cg.node_strength(net, edges="all")
    expected = {
        "degree": local.degree(edges, n, "total"),
        "disparity": local.disparity(edges, n, "out", "absolute"),
        "participation_ratio": local.participation_ratio(edges, n, "in"),
        "average_neighbor_strength": local.average_neighbor_strength(
            local.around(edges, len(strength), "total"), strength
        ),
        "weighted": local.average_neighbor_strength(
            local.around(edges, len(strength), "in"), strength, abs
        ),
    }
    for measured in (net, cg.build_graph(net)):
        by_size = {"source": "in", "weighted": True, "sign": "absolute"}
        found = {
            "degree": degree(measured, edges="all"),
            "disparity": disparity(measured, sign="absolute", edges="all"),
            "participation_ratio": participation_ratio(measured, edges="all"),
            "average_neighbor_strength": average_neighbor_strength(measured, edges="all"),
            "weighted": average_neighbor_strength(measured, edges="all", **by_size),
        }
        for name, values in expected.items():
            assert np.allclose(found[name], values, rtol=1e-9, atol=1e-9, equal_nan=True), name


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_a_graph_has_the_same_correlations(net, method):
    columns = ["correlation", "p_value"]
    closed, summed = (
        strength_correlation(measured, method=method, edges="all")[columns].to_numpy()
        for measured in (net, cg.build_graph(net))
    )
    assert np.allclose(closed, summed, rtol=1e-8, atol=1e-12, equal_nan=True)
    if net.n_nodes > 500:
        assert np.isfinite(closed).any()


def test_neural_persistence_is_that_of_networkxs_trees(net):
    graph = cg.build_graph(net, edges="parametric")
    ends, top = graph.adjacency.tocoo(), np.abs(graph.adjacency.data).max()
    expected = []
    for k in range(len(graph.block_names)):
        own = graph.edge_block == k
        layer = nx.Graph()
        for i, j, w in zip(ends.row[own], ends.col[own], np.abs(ends.data[own]), strict=True):
            layer.add_edge(("source", int(i)), ("target", int(j)), weight=float(w) / float(top))
        edges = nx.maximum_spanning_edges(layer, data=True)
        lives = [1 - data["weight"] for _, _, data in edges]
        lives += [1.0] * (nx.number_connected_components(layer) - 1)
        expected.append(np.sqrt(np.square(lives).sum() / (len(layer) - 1)))
    for measured in (net, graph):
        assert np.allclose(neural_persistence(measured)["persistence"], expected, rtol=1e-9)
