"""The rows of unrolled networks: in order, however blocks share them, and each with its block."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from cntgraph.core.kernels.csr_order import merge_rows
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.graph.edge_sums import edge_sums
from cntgraph.graph.unrolling import assemble
from cntgraph.network.blocks import TRANSFORMS, Dense
from cntgraph.network.blocks.row_classes import RowClasses
from cntgraph.network.blocks.transform import apply_transform

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 9))
def test_merged_rows_are_those_of_a_stable_sort(seed, lengths, n_columns):
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    # Runs that ascend, as blocks write them; with 9 columns at most, many are equal.
    runs = [np.sort(rng.integers(0, n_columns, rng.integers(0, 5))) for _ in range(50)]
    indices = np.concatenate(runs)[: indptr[-1]].astype(np.int32)
    indptr = np.minimum(indptr, len(indices))
    data, marks = np.arange(len(indices), dtype=np.float32), rng.integers(0, 9, len(indices))
    expected = (indices.copy(), data.copy(), marks.copy())
    for low, high in pairwise(indptr):
        order = low + np.argsort(expected[0][low:high], kind="stable")
        for array in expected:
            array[low:high] = array[order]
    merge_rows(np.arange(len(lengths)), indptr, indices, data, marks)
    for found, wanted in zip((indices, data, marks), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(seeds, st.integers(1, 4))
@settings(max_examples=50)
def test_blocks_that_share_rows_and_columns_are_all_there(seed, n_blocks):
    rng, n = np.random.default_rng(seed), 40
    blocks, expected = [], np.zeros((n, n))
    for k in range(n_blocks):
        sources, targets = rng.integers(0, n, 6), rng.permutation(n)[: rng.integers(1, 6)]
        sources[rng.random(6) < 0.2] = -1
        if rng.random() < 0.5:
            targets = np.arange(targets.min(), min(targets.min() + 4, n))
        w = rng.normal(size=(len(targets), 6)).astype(np.float32)
        weight = Recipe.of(Parameter.from_array("w", w))
        views = View.of(sources, (6,)), View.of(targets, (len(targets),))
        blocks.append(Dense(name=str(k), source=views[0], target=views[1], weight=weight))
        for i, source in enumerate(sources):
            if source >= 0:
                np.add.at(expected, (source, targets), w[:, i].astype(float))
    adjacency, marks = assemble(n, blocks)
    np.testing.assert_allclose(adjacency.toarray(), expected, rtol=1e-6, atol=1e-6)
    for low, high in pairwise(adjacency.indptr):
        assert (np.diff(adjacency.indices[low:high]) >= 0).all()
    assert np.bincount(marks, minlength=n_blocks).tolist() == [b.n_edges for b in blocks]


@given(seeds, st.sampled_from(TRANSFORMS), st.booleans(), st.booleans())
def test_sums_of_edges_are_those_of_the_matrix(seed, transform, dense, some):
    rng, n = np.random.default_rng(seed), 30
    mask = np.ones((n, n), bool) if dense else rng.random((n, n)) < 0.2
    mask[rng.random(n) < 0.3] = False
    matrix = csr_array(np.where(mask, rng.normal(size=(n, n)), 0.0))
    marks = rng.integers(0, 3, matrix.nnz).astype(np.uint8)
    counted = np.array([True, False, True]) if some else None
    values = apply_transform(matrix.data, transform)
    values = values * counted[marks] if some else values
    expected = csr_array((values, matrix.indices, matrix.indptr), shape=(n, n))
    found = edge_sums(matrix, transform, marks, counted)
    np.testing.assert_allclose(found.incoming, expected.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.outgoing, expected.sum(axis=1), atol=1e-12)


def test_parallel_edges_beside_a_gap_are_not_taken_for_neighbors():
    matrix = csr_array((np.array([1.0, 2.0, 4.0]), [0, 0, 2], [0, 3, 3, 3]), shape=(3, 3))
    found = edge_sums(matrix, "signed", np.zeros(3, np.uint8), None)
    assert found.incoming.tolist() == [3.0, 0.0, 4.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_its_own_row_and_column_only(value):
    w = np.ones((3, 3))
    w[1, 2] = value
    found = edge_sums(csr_array(w), "signed", np.zeros(9, np.uint8), None)
    np.testing.assert_array_equal(found.incoming, [3.0, 3.0, 2.0 + value])
    np.testing.assert_array_equal(found.outgoing, [3.0, 2.0 + value, 3.0])


def test_the_interior_of_a_feature_map_is_one_class():
    taps = [(p, t, p + t - 1) for p in range(50) for t in range(3) if 0 <= p + t - 1 < 50]
    row, tap, position = np.array(taps).T
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row))])
    found = RowClasses.of(indptr, tap, position)
    assert np.diff(found.order_indptr).tolist() == [1, 48, 1]
    assert np.diff(found.indptr).tolist() == [2, 3, 2]
