import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, networks, random_graph

from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError
from cntgraph.measures.explicit.core_number import core_number

NETS = networks()


def without_loops(net):
    graph = digraph(net)
    graph.remove_edges_from([(k, k) for k in graph if graph.has_edge(k, k)])
    return graph


@pytest.mark.parametrize("name", NETS)
def test_total_degrees_are_those_of_networkx(name):
    expected = nx.core_number(without_loops(NETS[name]))
    found = core_number(NETS[name])
    assert found.dtype == np.float64
    assert found.tolist() == [expected[k] for k in range(len(found))]


def peeled(graph, direction):
    """The core numbers by taking nodes away, one k after the other."""
    degree = {"in": "in_degree", "out": "out_degree", "total": "degree"}[direction]
    found, left, k = np.zeros(len(graph)), graph.copy(), 0
    while len(left):
        small = [node for node, d in getattr(left, degree)() if d <= k]
        found[small] = k
        left.remove_nodes_from(small)
        k += not small
    return found


@given(st.integers(0, 10**6), st.sampled_from(["total", "in", "out"]))
def test_any_graph(seed, direction):
    graph = random_graph(seed)
    oracle = without_loops(graph)
    if direction != "total" and nx.is_directed_acyclic_graph(oracle):
        return
    assert np.array_equal(core_number(graph, direction=direction), peeled(oracle, direction))


def test_networks_without_loops_have_no_directed_cores():
    for direction in ("in", "out"):
        with pytest.raises(UndefinedMeasureError, match="direction='total'"):
            core_number(NETS["mlp"], direction=direction)
        assert core_number(NETS["recurrent"], direction=direction).max() > 0


def test_odd_graphs_and_arguments():
    assert core_number(graph_of([], 0)).shape == (0,)
    assert core_number(graph_of([(0, 0, 1.0, 0)], 1)).tolist() == [0]
    assert core_number(graph_of([], 3), direction="in").tolist() == [0, 0, 0]
    assert core_number(graph_of([(0, 1, np.nan, 0), (0, 1, 0.0, 1)], 3)).tolist() == [1, 1, 0]
    with pytest.raises(CntGraphError, match="direction"):
        core_number(NETS["mlp"], direction="up")
    with pytest.raises(GraphSizeError):
        core_number(NETS["mlp"], max_edges=3)
