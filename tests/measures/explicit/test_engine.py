import igraph
import numpy as np
import pytest
from oracles.classic import digraph, graph_of, networks, random_graph, symmetric_matrix, undirected

import cntgraph as cg
from cntgraph.core.errors import GraphSizeError
from cntgraph.measures.explicit.engine import (
    check_operations,
    directed_igraph,
    seeded_igraph,
    symmetric,
    topology,
    undirected_igraph,
    undirected_topology,
    without_loops,
)
from cntgraph.measures.explicit.graph import magnitude_matrix

NETS = networks()


@pytest.fixture(scope="module", params=[*NETS, *range(5)], ids=str)
def graph(request):
    if isinstance(request.param, int):
        return random_graph(request.param)
    net = NETS[request.param]
    return net if isinstance(net, cg.Graph) else cg.build_graph(net)


def test_who_is_connected(graph):
    edges = set(digraph(graph).edges)
    data = graph.adjacency.data.copy()
    for loops, matrix in ((True, topology(graph)), (False, topology(graph, loops=False))):
        assert set(zip(*(x.tolist() for x in matrix.tocoo().coords), strict=True)) == {
            e for e in edges if loops or e[0] != e[1]
        }
        assert (matrix.data == 1).all()
    pairs = undirected_topology(graph).toarray()
    expected = np.zeros_like(pairs)
    for i, j in undirected(graph).edges:
        expected[i, j] = expected[j, i] = 1
    assert np.array_equal(pairs, expected)
    assert np.array_equal(graph.adjacency.data, data)  # nothing is changed in place


def test_both_directions_together(graph):
    matrix = symmetric(magnitude_matrix(graph, "absolute"))
    assert np.allclose(matrix.toarray(), symmetric_matrix(graph), rtol=1e-14)
    made, weights = undirected_igraph(matrix)
    strength = made.strength(weights=weights.tolist(), loops=True)
    assert np.allclose(strength, np.asarray(matrix.sum(axis=1)).reshape(-1))


def test_edges_are_in_the_order_of_the_matrix(graph):
    matrix = topology(graph)
    made = directed_igraph(matrix)
    coords = zip(*(x.tolist() for x in matrix.tocoo().coords), strict=True)
    assert made.get_edgelist() == list(coords)
    assert (made.is_directed(), made.vcount()) == (True, graph.n_nodes)


def test_loops_are_left_out_and_zeros_stay():
    graph = graph_of([(0, 0, 1.0, 0), (0, 1, 0.0, 0), (2, 2, 0.0, 0)], 3)
    matrix = without_loops(graph.adjacency)
    assert (matrix.nnz, matrix.data.tolist()) == (1, [0.0])


def test_the_generator_is_given_back_after_an_error():
    def draw():
        with seeded_igraph(1):
            return igraph.Graph.Erdos_Renyi(n=30, m=60).get_edgelist()

    with pytest.raises(ZeroDivisionError), seeded_igraph(1):
        1 / 0  # noqa: B018
    assert draw() == draw()
    assert draw() != igraph.Graph.Erdos_Renyi(n=30, m=60).get_edgelist()


def test_work_that_is_too_much():
    check_operations("a measure", 5, 5, "wait")
    with pytest.raises(GraphSizeError, match=r"a measure would take about 6 .* Either wait; or"):
        check_operations("a measure", 6, 5, "wait")


def test_who_waits_is_told_for_what(monkeypatch, capsys):
    check_operations("motifs", 2e10, 1e11, "wait")
    assert capsys.readouterr().err == ""  # nobody sees it
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    check_operations("motifs", 1e8, 1e11, "wait")
    check_operations("motifs", 2e10, 1e11, "wait", show=False)
    assert capsys.readouterr().err == ""
    check_operations("motifs", 2e10, 1e11, "wait")
    assert capsys.readouterr().err.startswith("motifs: up to 2e+10 elementary operations; ")
