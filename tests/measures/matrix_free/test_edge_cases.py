"""What every measure says of networks without nodes or edges, of zeros, of NaN."""

import numpy as np
import pytest
from oracles import flows
from oracles.nets import random_net
from scipy.sparse import block_diag, csr_array

import cntgraph as cg
from cntgraph.core.errors import NonFiniteWeightError, UndefinedMeasureError
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.effective_depth import effective_depth
from cntgraph.measures.matrix_free.eigenvector import eigenvector_centrality
from cntgraph.measures.matrix_free.hits import hits
from cntgraph.measures.matrix_free.katz import katz_centrality
from cntgraph.measures.matrix_free.n_cut import n_cut
from cntgraph.measures.matrix_free.pagerank import pagerank
from cntgraph.measures.matrix_free.path_count import path_count
from cntgraph.measures.matrix_free.path_norm import path_norm, path_weight
from cntgraph.measures.matrix_free.singular_values import singular_values
from cntgraph.measures.matrix_free.spectral_radius import spectral_radius
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

WEIGHTED = {
    "pagerank": lambda x: pagerank(x, sign="absolute"),
    "katz": lambda x: katz_centrality(x, sign="absolute"),
    "hits": lambda x: hits(x, sign="absolute"),
    "eigenvector": lambda x: eigenvector_centrality(x, sign="absolute"),
    "n_cut": lambda x: n_cut(x, np.zeros(x.n_nodes, int), sign="absolute"),
    "spectral_radius": spectral_radius,
    "singular_values": singular_values,
    "path_norm": path_norm,
    "path_weight": path_weight,
}


def without_edges(*sizes):
    layers, start = [], 0
    for k, size in enumerate(sizes):
        ends = {"is_input": k == 0, "is_output": k == len(sizes) - 1}
        layers.append(Layer(f"layer{k}", (size,), "dense", start, **ends))
        start += size
    return Network(tuple(layers), ())


def both(net):
    return net, cg.build_graph(net)


@pytest.mark.parametrize("sizes", [(), (0,), (0, 0)])
def test_no_nodes(sizes):
    for x in both(without_edges(*sizes)):
        for name in ("pagerank", "katz", "hits", "eigenvector", "n_cut"):
            with pytest.raises(UndefinedMeasureError):
                WEIGHTED[name](x)
        assert spectral_radius(x) == 0.0
        assert singular_values(x).empty
        with pytest.raises(UndefinedMeasureError):
            singular_values(x, per="network")
        if len(sizes) == 1:  # input and output in one: a path of no operations
            assert effective_depth(x) == (0.0, 0.0, 1)
        else:
            with pytest.raises(UndefinedMeasureError):
                effective_depth(x)
        if sizes:
            assert path_count(x).total == path_norm(x).total == path_weight(x).total == 0.0
            assert path_count(x).by_output.shape == (0,)


@pytest.mark.parametrize("sizes", [(1,), (3, 0, 2)])
def test_nodes_without_edges(sizes):
    for x in both(without_edges(*sizes)):
        n = sum(sizes)
        assert np.allclose(pagerank(x), 1 / n)
        assert np.allclose(katz_centrality(x), 1 / np.sqrt(n))
        for name in ("hits", "eigenvector", "n_cut"):
            with pytest.raises(UndefinedMeasureError):
                WEIGHTED[name](x)
        assert spectral_radius(x) == 0.0
        # A single node is input and output: a path of no edges, whose product is one.
        assert path_count(x).total == path_weight(x).total == path_norm(x).total == (n == 1)


def test_a_network_with_a_layer_of_no_nodes():
    """The measures are those of the network without that layer."""
    net = random_net(0)
    empty = Layer("nothing", (0, 4), "dense", net.n_nodes)
    more = Network((*net.layers, empty), net.blocks, net.parameters)
    for x in both(more):
        for name in ("pagerank", "katz", "singular_values", "path_norm", "path_weight", "hits"):
            assert are_close(WEIGHTED[name](x), WEIGHTED[name](net))
        assert effective_depth(x) == effective_depth(net)


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def are_close(found, expected):
    pairs = zip(parts(found), parts(expected), strict=True)
    return all(np.allclose(a, b, rtol=1e-9) for a, b in pairs)


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_raise(name, bad):
    for kind in ("mlp", "rnn"):
        net = cg.toy("mlp") if kind == "mlp" else flows.recurrent_net()
        graph = cg.build_graph(net)
        data = graph.adjacency.data.copy()
        data[0] = bad
        parameters = dict(net.parameters)
        first = next(n for n, p in parameters.items() if len(p.shape) == 2)
        values = parameters[first].read().copy()
        values[0, 0] = bad
        parameters[first] = cg.Parameter.from_array(first, values)
        for x in (net.bind(parameters, {}), graph.with_weights(data)):
            with pytest.raises(NonFiniteWeightError, match="finite"):
                WEIGHTED[name](x)


def test_weights_of_zero_carry_nothing():
    """An edge of weight zero is an edge to count, and none to flow along."""
    net = random_net(1)
    graph = cg.build_graph(net)
    data = graph.adjacency.data.copy()
    zeroed = np.random.default_rng(0).random(len(data)) < 0.5
    data[zeroed] = 0.0
    stored, dropped = graph.with_weights(data), graph.with_weights(data).keep_edges(~zeroed)
    for name in ("pagerank", "katz", "hits", "singular_values", "path_norm", "path_weight"):
        assert are_close(WEIGHTED[name](stored), WEIGHTED[name](dropped))
    assert path_count(stored).total == path_count(graph).total > path_count(dropped).total
    silent = graph.with_weights(np.zeros_like(data))
    assert np.allclose(pagerank(silent), 1 / graph.n_nodes)
    assert np.allclose(katz_centrality(silent), 1 / np.sqrt(graph.n_nodes))
    assert path_norm(silent).total == path_weight(silent).total == 0.0
    assert (singular_values(silent, per="network") == 0).all()
    for name in ("hits", "eigenvector", "n_cut"):
        with pytest.raises(UndefinedMeasureError):
            WEIGHTED[name](silent)


def test_a_loop_of_zeros_is_none():
    net = flows.recurrent_net()
    graph = cg.build_graph(net)
    silent = graph.with_weights(np.zeros_like(graph.adjacency.data))
    assert spectral_radius(silent) == 0.0
    with pytest.raises(UndefinedMeasureError, match="loops"):
        eigenvector_centrality(silent)


def test_two_networks_side_by_side():
    """Nodes that no edge joins: each part has the ranks that it has alone, in proportion."""
    graph = cg.build_graph(cg.toy("mlp"))
    n = graph.n_nodes
    matrix = csr_array(block_diag([graph.adjacency, graph.adjacency], format="csr"))
    layers = (*graph.layers, *(Layer(f"{x.name}2", x.shape, x.kind, n + x.start, "", x.is_input,
                                     x.is_output) for x in graph.layers))  # fmt: skip
    marks, bias = np.tile(graph.edge_block, 2), np.tile(graph.bias, 2)
    twice = Graph(matrix, marks, layers, graph.block_names, graph.parametric, bias, bias)
    once = pagerank(graph, sign="absolute")
    assert np.allclose(pagerank(twice, sign="absolute"), np.tile(once, 2) / 2)
    assert np.isclose(path_count(twice).total, 2 * path_count(graph).total)
    halves = np.repeat([0, 1], n)
    assert n_cut(twice, halves, sign="absolute") < 1e-12
    found, expected = hits(twice, sign="absolute"), hits(graph, sign="absolute")
    assert np.allclose(found.hubs, np.tile(expected.hubs, 2) / 2, atol=1e-8)


SHOWING = {
    "pagerank": lambda x, show: pagerank(x, sign="absolute", show_progress=show),
    "katz": lambda x, show: katz_centrality(x, sign="absolute", show_progress=show),
    "hits": lambda x, show: hits(x, sign="absolute", show_progress=show),
    "n_cut": lambda x, show: n_cut(
        x, np.arange(x.n_nodes) % 2, sign="absolute", show_progress=show
    ),
    "singular_values": lambda x, show: singular_values(x, show_progress=show),
    "path_count": lambda x, show: path_count(x, show_progress=show),
    "path_norm": lambda x, show: path_norm(x, show_progress=show),
    "path_weight": lambda x, show: path_weight(x, show_progress=show),
}


@pytest.mark.parametrize("name", SHOWING)
def test_showing_progress_changes_no_bit(name):
    for x in both(cg.toy("cnn")):
        shown, silent = (parts(SHOWING[name](x, show)) for show in (True, False))
        assert all(np.array_equal(a, b) for a, b in zip(shown, silent, strict=True))
