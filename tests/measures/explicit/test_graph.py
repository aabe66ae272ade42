"""The explicit graph that measures of single edges work on."""

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError
from cntgraph.measures.explicit.graph import explicit_graph, magnitude_matrix


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
@pytest.mark.parametrize("edges", ["all", "parametric"])
def test_is_the_same_from_a_network_and_from_its_graph(name, edges):
    net = cg.toy(name)
    first, second = (explicit_graph(n, edges=edges) for n in (net, cg.build_graph(net)))
    assert (first.adjacency != second.adjacency).nnz == 0
    assert first.n_edges == second.n_edges == net.estimate(edges=edges).n_edges


def test_is_not_unrolled_beyond_the_limit():
    with pytest.raises(GraphSizeError, match="638"):
        explicit_graph(cg.toy("cnn"), max_edges=10)


def test_edges_are_one_of_two():
    with pytest.raises(CntGraphError, match="'parametric' or 'all', got 'some'"):
        explicit_graph(cg.build_graph(cg.toy("mlp")), edges="some")


class TestMagnitudes:
    def test_add_parallel_edges_up_after_the_transform(self):
        graph = cg.build_graph(cg.toy("residual"))
        a = graph.adjacency
        for transform, part in (
            ("absolute", np.abs),
            ("positive", lambda w: np.maximum(w, 0)),
            ("negative", lambda w: np.maximum(-w, 0)),
        ):
            expected = np.zeros(a.shape)
            rows = np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
            np.add.at(expected, (rows, a.indices), part(a.data.astype(np.float64)))
            found = magnitude_matrix(graph, transform)
            np.testing.assert_array_equal(found.toarray(), expected)
            assert found.has_canonical_format
            assert found.dtype == np.float64

    def test_keep_edges_of_weight_zero_and_leave_out_those_of_the_other_sign(self):
        graph = cg.build_graph(cg.load([np.array([[1.0, -2.0], [0.0, 3.0]])]))
        assert [magnitude_matrix(graph, t).nnz for t in ("absolute", "positive", "negative")] == [
            4, 3, 2,
        ]  # fmt: skip

    def test_leave_the_graph_as_it_was(self):
        graph = cg.build_graph(cg.toy("residual"))
        before = graph.adjacency.data.copy(), graph.adjacency.indices.copy()
        magnitude_matrix(graph, "absolute")
        np.testing.assert_array_equal(graph.adjacency.data, before[0])
        np.testing.assert_array_equal(graph.adjacency.indices, before[1])
