"""Stored values times a factor for each row and for each column, in float64.

`by_row` and `by_column` are the factors of a whole matrix; both are None where there are none.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from cntgraph.core.kernels.floats import value_of


@njit(cache=True, nogil=True)
def scale_values(w, by_row, by_column, out):
    """Write all values of a matrix, given as stored (`floats`), times their factors."""
    first = np.int64(0)  # as any other column: a literal would be a type of its own
    for r in range(len(w)):
        scale_row(w, by_row, by_column, r, first, out[r])


@njit(cache=True, nogil=True)
def scale_row(w, by_row, by_column, r, start, out):
    """Write the values of a row from a column on, as many as there is room for, times factors."""
    end = start + out.size
    row, factor, others = w[r, start:end], factor_of(by_row, r), part_of(by_column, start, end)
    for j in range(out.size):
        out[j] = value_of(row[j]) * factor * factor_of(others, j)


def factor_of(factors, k):
    """Return the factor of a row or of a column, 1 where there are none; in kernels only."""
    raise NotImplementedError("compiled code only")


@overload(factor_of)
def _factor_of(factors, k):
    if isinstance(factors, types.NoneType):
        return lambda factors, k: 1.0
    return lambda factors, k: factors[k]


def part_of(factors, start, stop):
    """Return the factors from one to another, None of none; in kernels only."""
    raise NotImplementedError("compiled code only")


@overload(part_of)
def _part_of(factors, start, stop):
    if isinstance(factors, types.NoneType):
        return lambda factors, start, stop: None
    return lambda factors, start, stop: factors[start:stop]
