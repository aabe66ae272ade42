import networkx as nx
import numpy as np
import pytest
from oracles import local
from oracles.nets import adjacency, edge_list

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.measures.local.degree import degree

NETS = local.all_nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("direction", ["total", "in", "out"])
@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_it_counts_edges(net, direction, edges):
    expected = local.degree(edge_list(net, edges), net.n_nodes, direction)
    for measured in (net, cg.build_graph(net)):
        found = degree(measured, direction=direction, edges=edges)
        assert found.dtype == np.int64
        assert found.tolist() == expected


def test_networkx_counts_the_same(net):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(net.n_nodes))
    matrix = adjacency(net)
    graph.add_edges_from(zip(matrix.row.tolist(), matrix.col.tolist(), strict=True))
    for direction, count in (
        ("total", graph.degree),
        ("in", graph.in_degree),
        ("out", graph.out_degree),
    ):
        assert degree(net, direction=direction, edges="all").tolist() == [d for _, d in count()]


def test_an_edge_of_weight_zero_is_an_edge_and_a_loop_counts_twice():
    assert degree(NETS["all zero"]).tolist() == [4, 4, 4, 3, 3, 3, 3]
    assert degree(NETS["single loop"]).tolist() == [2]
    assert degree(NETS["isolated"]).tolist() == [3, 3, 3, 0, 3, 3, 3, 0, 0]


def test_weights_that_are_not_numbers_are_edges():
    net = local.network((1, 2), [local.dense("fc", (0, 1), (1, 3), [[np.nan], [np.inf]])])
    assert degree(net).tolist() == degree(cg.build_graph(net)).tolist() == [2, 1, 1]


@pytest.mark.parametrize("wrong", [{"direction": "both"}, {"edges": "some"}])
def test_options_are_checked(wrong):
    for measured in (cg.toy("mlp"), cg.build_graph(cg.toy("mlp"))):
        with pytest.raises(CntGraphError, match=f"got {next(iter(wrong.values()))!r}"):
            degree(measured, **wrong)
