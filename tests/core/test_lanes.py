"""What is done to sixteen numbers at once, against NumPy."""

import numpy as np
import pytest
from numba import njit

from cntgraph.core.kernels.lanes import LANES, N_TALLIED, add_lanes, lay, sum_lanes, tally_lanes
from cntgraph.core.parameter import kernel_values


@njit
def laid(matrix, row, column, rows, k):
    lay(matrix, row, column, rows, k)


@njit
def added(sums, i, values, k):
    add_lanes(sums, i, values, k)


@njit
def summed(rows, i, first, step, n):
    sum_lanes(rows, i, first, step, n)


@njit
def tallied(rows, n, found):
    tally_lanes(rows, n, found)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_square_of_a_matrix_is_turned(dtype, whole):
    values = np.random.default_rng(0).normal(size=(LANES + 3, LANES + 9)).astype(dtype)
    matrix = kernel_values(values, dtype)
    if not whole:  # rows of a wider matrix
        matrix = np.hstack([matrix, matrix])[:, : values.shape[1]]
    rows = np.full((LANES + 4, LANES), -1.0)
    laid(matrix, 2, 5, rows, 3)
    assert np.array_equal(rows[3 : 3 + LANES], values[2 : 2 + LANES, 5 : 5 + LANES].T)
    assert (rows[[0, 1, 2, -1]] == -1.0).all()


def test_rows_are_added_up():
    values = np.random.default_rng(0).normal(size=(9, LANES))
    sums = values[:2].copy()
    added(sums, 1, values, 4)
    assert np.array_equal(sums, [values[0], values[1] + values[4]])
    rows = values.copy()
    summed(rows, 8, 1, 3, 2)
    summed(rows, 7, 0, 1, 0)
    assert np.array_equal(rows, [*values[:7], np.zeros(LANES), values[1] + values[4]])


@pytest.mark.parametrize("n", [1, 2, 255])
def test_a_tally_is_what_numpy_finds(n):
    rows = np.random.default_rng(n).normal(3.0, 2.0, (256, LANES))
    rows[n // 2, 3] = 0.0
    found = np.empty((N_TALLIED, LANES))
    tallied(rows, n, found)
    own = rows[:n]
    d = own - own.mean(axis=0)
    expected = [own.mean(axis=0), *((d**p).sum(axis=0) for p in (2, 3, 4)), own.min(axis=0),
                own.max(axis=0), (own == 0).sum(axis=0)]  # fmt: skip
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-11)
    assert np.array_equal(found[4:], expected[4:])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_lane(odd):
    rows = np.random.default_rng(0).normal(size=(20, LANES))
    sound, found = np.empty((N_TALLIED, LANES)), np.empty((N_TALLIED, LANES))
    tallied(rows, 20, sound)
    rows[11, 6] = odd
    tallied(rows, 20, found)
    assert not np.isfinite(found[0, 6])
    others = np.arange(LANES) != 6
    assert np.array_equal(found[:, others], sound[:, others])
