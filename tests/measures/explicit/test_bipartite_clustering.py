import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networkx.algorithms import bipartite
from oracles.classic import edges_of, graph_of, networks, random_graph, undirected

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.bipartite_clustering import (
    bipartite_clustering,
    robins_alexander_clustering,
)

NETS = networks()
MODES = ("dot", "min", "max")


def double_cover(net):
    """Sources on one side, targets on the other."""
    made = nx.Graph()
    made.add_nodes_from((side, k) for side in ("source", "target") for k in range(net.n_nodes))
    made.add_edges_from((("source", i), ("target", j)) for i, j, _ in edges_of(net))
    return made


def expected(net, side, mode):
    graph = double_cover(net)
    nodes = [(side, k) for k in range(net.n_nodes)]
    found = bipartite.latapy_clustering(graph, nodes=nodes, mode=mode)
    return np.array([found[node] for node in nodes])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name in NETS if name != "trained"])
def test_both_sides_are_those_of_networkx(name, mode):
    net = NETS[name]
    for direction, side in (("in", "target"), ("out", "source")):
        found = bipartite_clustering(net, direction=direction, mode=mode)
        assert found.dtype == np.float64
        assert np.allclose(found, expected(net, side, mode), atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from(MODES))
def test_any_graph(seed, mode):
    graph = random_graph(seed)
    found = bipartite_clustering(graph, direction="in", mode=mode)
    assert np.allclose(found, expected(graph, "target", mode), atol=1e-12)
    layered = random_graph(seed, layered=True)
    oracle = bipartite.latapy_clustering(undirected(layered), mode=mode)
    found = bipartite_clustering(layered, direction="total", mode=mode)
    assert np.allclose(found, [oracle[k] for k in range(9)], atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_layers_without_skips_are_bipartite(name, mode):
    oracle = bipartite.latapy_clustering(undirected(NETS[name]), mode=mode)
    found = bipartite_clustering(NETS[name], direction="total", mode=mode)
    assert np.allclose(found, [oracle[k] for k in range(NETS[name].n_nodes)], atol=1e-12)


def test_skips_and_loops_are_not_bipartite():
    for name in ("random0", "recurrent"):
        with pytest.raises(UndefinedMeasureError, match="not bipartite"):
            bipartite_clustering(NETS[name], direction="total")
    with pytest.raises(UndefinedMeasureError, match="not bipartite"):
        bipartite_clustering(graph_of([(0, 0, 1.0, 0), (0, 1, 1.0, 0)], 2), direction="total")


def block_graph(net, block):
    made = nx.Graph()
    own = block.to_csr().tocoo()
    source, target = block.source.as_ids(), block.target.as_ids()
    for i, j in zip(own.row, own.col, strict=True):
        made.add_edge(("source", int(source[i])), ("target", int(target[j])))
    return made


@pytest.mark.parametrize("name", ["mlp", "cnn", "random0", "random1"])
def test_closed_paths_are_those_of_networkx(name):
    net = NETS[name]
    found = robins_alexander_clustering(net)
    for block in net.blocks:
        if block.name not in found:  # the skip: its edges are the convolution's
            assert block.kind == "identity"
            continue
        graph = block_graph(net, block)
        if found[block.name] != found[block.name]:
            assert all(graph.degree(i) == 1 or graph.degree(j) == 1 for i, j in graph.edges)
            continue
        assert found[block.name] == pytest.approx(bipartite.robins_alexander_clustering(graph))


def test_closed_paths_of_dense_layers_and_of_thresholded_ones():
    assert robins_alexander_clustering(cg.toy("mlp")).tolist() == [1, 1, 1]
    net = cg.toy("mlp")
    found = robins_alexander_clustering(cg.build_graph(net, threshold=0.4))
    weights = cg.build_graph(net, threshold=0.4).adjacency.toarray()[:6, 6:14] != 0
    graph = bipartite.from_biadjacency_matrix(__import__("scipy.sparse").sparse.csr_array(weights))
    assert found["fc1"] == pytest.approx(bipartite.robins_alexander_clustering(graph))
    assert 0 < found["fc1"] < 1


def test_odd_graphs():
    for n in (0, 1, 3):
        with pytest.raises(UndefinedMeasureError):
            bipartite_clustering(graph_of([], n))
        with pytest.raises(UndefinedMeasureError, match="there are none"):
            robins_alexander_clustering(graph_of([], n))
    line = graph_of([(0, 1, 0.0, 0), (1, 2, np.nan, 1)], 4)
    assert bipartite_clustering(line).tolist() == [0, 0, 0, 0]
    with pytest.raises(UndefinedMeasureError, match="there are none"):
        robins_alexander_clustering(line)
    parallel = graph_of([(0, 2, 1.0, 0), (0, 2, 1.0, 1), (1, 2, 1.0, 0), (0, 3, 1.0, 0)], 4)
    assert bipartite_clustering(parallel).tolist() == [0, 0, 0.5, 0.5]


def test_arguments_and_sizes():
    net = NETS["mlp"]
    for wrong in ({"mode": "cos"}, {"direction": "both"}):
        with pytest.raises(CntGraphError, match="expected mode"):
            bipartite_clustering(net, **wrong)
    for measure in (bipartite_clustering, robins_alexander_clustering):
        with pytest.raises(GraphSizeError, match="max_operations"):
            measure(net, max_operations=10)
