"""Stored values times a factor for each row and for each column, in float64.

`by_row` and `by_column` are the factors of a whole matrix; those of columns may be empty: ones.
"""

from __future__ import annotations

from numba import njit, types
from numba.extending import overload

from cntgraph.core.kernels.floats import value_of


@njit(cache=True, nogil=True)
def scale_values(w, by_row, by_column, out):
    """Write all values of a matrix, given as stored (`floats`), times their factors."""
    for r in range(len(w)):
        scale_row(w[r], by_row[r], by_column, out[r])


@njit(cache=True, nogil=True)
def scale_tile(w, rows, columns, by_row, by_column, out):
    """Write the values of some rows and columns, ``(first, stop)``, times their factors."""
    start, stop = columns
    for k in range(rows[1] - rows[0]):
        r = rows[0] + k
        scale_row(w[r, start:stop], by_row[r], by_column[start:stop], out[k])


@njit(cache=True, nogil=True)
def scale_row(values, factor, by_column, out):
    """Write the values of a row, or of a part of it, times their factors."""
    if by_column.size:
        for j in range(values.size):
            out[j] = value_of(values[j]) * factor * by_column[j]
    else:
        for j in range(values.size):
            out[j] = value_of(values[j]) * factor


def factor_of(by_row, r):
    """Return the factor of a row, 1 where there are none; in kernels only."""
    raise NotImplementedError("compiled code only")


@overload(factor_of)
def _factor_of(by_row, r):
    if isinstance(by_row, types.NoneType):
        return lambda by_row, r: 1.0
    return lambda by_row, r: by_row[r]
