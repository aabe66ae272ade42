import numpy as np
import pytest
from hypothesis import given
from oracles.graphs import NAMES, ODD, PARAMETRIC, added_up, edges_of, graph_of, graphs, odd
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError

NETS = nets()


def check_kept(graph):
    edges = graph.edge_arrays(parallel="keep")
    found = zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(),
                edges.block.tolist(), strict=True)  # fmt: skip
    assert np.array_equal(np.array(list(found)), np.array(edges_of(graph)), equal_nan=True)
    assert edges.block_names == graph.block_names
    assert edges.weight.dtype == np.float64
    assert edges.n_edges == graph.n_edges


def check_added_up(graph):
    edges, expected = graph.edge_arrays(), added_up(edges_of(graph))
    assert list(zip(edges.source.tolist(), edges.target.tolist(), strict=True)) == list(expected)
    for k, (weight, blocks) in enumerate(expected.values()):
        assert edges.weight[k] == pytest.approx(weight, nan_ok=True, abs=1e-12)
        names = [graph.block_names[b] for b in sorted(set(blocks))]
        assert edges.block_names[edges.block[k]] == "+".join(names)
        assert edges.parametric[edges.block[k]] == any(graph.parametric[b] for b in blocks)
    assert len(set(edges.block_names)) == len(edges.block_names) == len(edges.parametric)


@pytest.mark.parametrize("name", ODD)
def test_odd_graphs(name):
    check_kept(odd(name))
    check_added_up(odd(name))


@pytest.mark.parametrize("name", NETS)
def test_networks(name):
    graph = cg.build_graph(NETS[name])
    check_kept(graph)
    check_added_up(graph)


@given(graphs())
def test_any_graph(graph):
    check_kept(graph)
    check_added_up(graph)


def test_nothing_is_copied_that_need_not_be():
    graph = odd("disconnected")
    edges = graph.edge_arrays()
    assert np.shares_memory(edges.target, graph.adjacency.indices)
    assert np.shares_memory(edges.block, graph.edge_block)


def test_float32_weights_are_added_up_in_float64():
    edges = [(0, 1, 2.0**24, 0), (0, 1, 1.0, 1)]
    graph = graph_of([1, 1], edges, dtype=np.float32)
    assert graph.edge_arrays().weight.tolist() == [2.0**24 + 1]
    assert graph.to_scipy().toarray()[0, 1] == 2.0**24 + 1


def test_infinities_that_cancel_are_nan():
    graph = graph_of([1, 1], [(0, 1, np.inf, 0), (0, 1, -np.inf, 1)])
    assert np.isnan(graph.edge_arrays().weight).all()


def test_many_joined_blocks_get_a_wider_index():
    names = tuple(f"b{k}" for k in range(30))
    pairs = [(0, k + 1, a, b) for k, (a, b) in
             enumerate((a, b) for a in range(30) for b in range(a + 1, 30))]  # fmt: skip
    edges = [(0, j, 1.0, block) for _, j, a, b in pairs for block in (a, b)]
    graph = graph_of([1, len(pairs)], edges, names=names, parametric=[False] * 29 + [True])
    found = graph.edge_arrays()
    assert found.block.dtype == np.uint16
    assert found.block_names[30:] == tuple(f"b{a}+b{b}" for _, _, a, b in pairs)
    assert found.parametric.tolist() == [False] * 29 + [True] + [b == 29 for *_, b in pairs]


@pytest.mark.parametrize("method", ["edge_arrays", "to_scipy", "to_networkx", "to_igraph"])
def test_what_becomes_of_parallel_edges_is_one_of_two(method):
    with pytest.raises(CntGraphError, match="'sum' or 'keep', got 'first'"):
        getattr(odd("parallel"), method)(parallel="first")


@pytest.mark.parametrize("name", ODD)
def test_scipy(name):
    graph = odd(name)
    matrix = graph.to_scipy()
    dense = np.zeros((graph.n_nodes, graph.n_nodes))
    for (i, j), (weight, _) in added_up(edges_of(graph)).items():
        dense[i, j] = weight
    assert np.array_equal(matrix.toarray(), dense, equal_nan=True)
    assert matrix.nnz == len(added_up(edges_of(graph)))
    kept = graph.to_scipy(parallel="keep")
    assert kept.nnz == graph.n_edges
    assert np.array_equal(kept.toarray(), dense, equal_nan=True)
    assert matrix.dtype == kept.dtype == np.float64
    assert matrix.indices.dtype == matrix.indptr.dtype


@pytest.mark.parametrize("parallel", ["sum", "keep"])
def test_the_matrix_is_a_copy(parallel):
    graph = odd("disconnected")
    matrix = graph.to_scipy(parallel=parallel)
    matrix.data[:] = 7
    matrix.indices[:] = 0
    assert edges_of(graph) == edges_of(odd("disconnected"))


def test_the_oracle_has_learned_blocks_and_others():
    assert len(NAMES) == len(PARAMETRIC)
    assert set(PARAMETRIC) == {True, False}
