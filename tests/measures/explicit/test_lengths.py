import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import digraph, graph_of, random_graph, with_lengths
from scipy.sparse import csr_array

from cntgraph.core.errors import CntGraphError
from cntgraph.measures.explicit.graph import magnitude_matrix
from cntgraph.measures.explicit.lengths import (
    TINY_LENGTH,
    by_length,
    check_length,
    length_matrix,
    positive_lengths,
)


@given(st.integers(0, 10**6), st.sampled_from([None, "inverse", "neglog"]))
def test_lengths_are_those_of_the_formula(seed, length):
    graph = random_graph(seed)
    for sign in ("absolute", "positive", "negative"):
        expected = with_lengths(digraph(graph, sign), length).edges
        found = length_matrix(magnitude_matrix(graph, sign), length).tocoo()
        assert found.nnz == len(expected)
        for i, j, x in zip(*found.coords, found.data, strict=True):
            assert x == pytest.approx(expected[i, j]["length"], rel=1e-13, abs=1e-13)
            assert x >= 0


def test_the_smallest_weights_have_finite_lengths():
    weights = csr_array(np.array([[0, 5e-324], [1e308, 0]]))
    for length in ("inverse", "neglog"):
        found = length_matrix(weights, length)
        assert found.nnz == 2
        assert np.isfinite(found.data).all()
    assert length_matrix(weights, "neglog").data.min() == 0


def test_nothing_and_zeros_alone():
    for edges in ([], [(0, 1, 0.0, 0)]):
        matrix = magnitude_matrix(graph_of(edges, 2), "absolute")
        for length in ("inverse", "neglog"):
            assert length_matrix(matrix, length).nnz == 0
        assert length_matrix(matrix, None).nnz == len(edges)


def test_lengths_of_zero_are_tiny_and_the_shortest_is_one():
    lengths = csr_array((np.array([0.0, 2.0]), ([0, 1], [1, 0])), shape=(2, 2))
    assert positive_lengths(lengths).data.tolist() == [1.0, 1 / TINY_LENGTH]
    alike = csr_array((np.zeros(1), ([0], [1])), shape=(2, 2))
    assert positive_lengths(alike).data.tolist() == [1.0]


def test_only_edges_of_a_sign_without_lengths():
    graph = graph_of([(0, 1, -1.0, 0), (1, 2, 2.0, 0), (2, 0, 0.0, 0)], 3)
    sizes = {
        sign: by_length(graph, sign, None, lambda m: m.nnz, noun="size")
        for sign in (None, "absolute", "positive", "negative")
    }
    assert sizes == {None: 3, "absolute": 3, "positive": 2, "negative": 2}
    assert by_length(graph, "split", None, lambda m: m.nnz, noun="size") == (2, 2)


def test_lengths_that_there_are_not():
    with pytest.raises(CntGraphError, match="length to be 'inverse', 'neglog' or None"):
        check_length("linear")
