"""Sums of a kernel tensor over its output channels and over its input channels, in one pass.

A weight of shape (rows, inner * taps) belongs to `rows` output channels, `inner` input channels
of their group and `taps` kernel positions; a dense matrix has one tap. For every transform f

    row_sums[r, t]          = sum over i of f(w[r, i, t])
    column_sums[g, i, t]    = sum over the rows r of group g of f(w[r, i, t])
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Transform codes. `count` needs no pass over the weights.
SIGNED, ABSOLUTE, POSITIVE, NEGATIVE, SQUARE, FOURTH = range(6)

#: Sums of one tap that are taken at once.
_LANES = 8

# Sums may be reassociated (so that they vectorise); NaN and infinity keep their meaning.
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_matrix_sums(w, row_sums, column_sums):
    """Add the signed sums of a matrix's rows and columns; four rows share a column pass."""
    n_rows, n_columns = w.shape
    whole = n_rows - n_rows % 4
    for r in range(0, whole, 4):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for j in range(n_columns):
            x0, x1 = np.float64(w[r, j]), np.float64(w[r + 1, j])
            x2, x3 = np.float64(w[r + 2, j]), np.float64(w[r + 3, j])
            column_sums[j] += (x0 + x1) + (x2 + x3)
            a += x0
            b += x1
            c += x2
            d += x3
        row_sums[r] += a
        row_sums[r + 1] += b
        row_sums[r + 2] += c
        row_sums[r + 3] += d
    for r in range(whole, n_rows):
        a = 0.0
        for j in range(n_columns):
            x = np.float64(w[r, j])
            column_sums[j] += x
            a += x
        row_sums[r] += a


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_kernel_sums(w, transform, taps, first_row, rows_per_group, row_sums, column_sums):
    """Add the sums of f(w) for the rows that start at `first_row` of the whole weight."""
    n_rows, width = w.shape
    row, lanes = np.empty(width, np.float64), np.empty(_LANES * taps)
    for r in range(n_rows):
        _transform(w[r], transform, row)
        columns = column_sums[(first_row + r) // rows_per_group]
        for j in range(width):
            columns[j] += row[j]
        if taps == 1:
            total = 0.0
            for j in range(width):
                total += row[j]
            row_sums[r, 0] += total
        else:
            _add_by_tap(row, taps, lanes, row_sums[r])


@njit(cache=True, nogil=True, fastmath=_FAST)
def _add_by_tap(row, taps, lanes, sums):
    """Add each entry of a row to the sum of its tap, several inputs at once."""
    lanes[:] = 0.0
    n, whole = lanes.size, row.size - row.size % lanes.size
    for j in range(0, whole, n):
        part = row[j : j + n]
        for k in range(n):
            lanes[k] += part[k]
    for k in range(n):
        sums[k % taps] += lanes[k]
    for j in range(whole, row.size):
        sums[j % taps] += row[j]


@njit(cache=True, nogil=True)
def _transform(values, transform, out):
    if transform == SIGNED:
        for j in range(values.size):
            out[j] = values[j]
    elif transform == ABSOLUTE:
        for j in range(values.size):
            out[j] = abs(np.float64(values[j]))
    elif transform == POSITIVE:
        for j in range(values.size):
            x = np.float64(values[j])
            out[j] = 0.0 if x < 0.0 else x
    elif transform == NEGATIVE:
        for j in range(values.size):
            x = np.float64(values[j])
            out[j] = 0.0 if x > 0.0 else x
    elif transform == SQUARE:
        for j in range(values.size):
            x = np.float64(values[j])
            out[j] = x * x
    else:
        for j in range(values.size):
            x = np.float64(values[j])
            x *= x
            out[j] = x * x
