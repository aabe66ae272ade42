"""Sums of a kernel tensor over its output channels and over its input channels, in one pass.

A weight of shape (rows, inner * taps) belongs to `rows` output channels, `inner` input channels
of their group and `taps` kernel positions; a dense matrix has one tap. For every transform f

    row_sums[r, t]          = sum over i of f(w[r, i, t])
    column_sums[g, i, t]    = sum over the rows r of group g of f(w[r, i, t])

Weights are given as stored (`floats`). `group_rows` are the place of their first row in the whole
weight, and how many rows a group has. In which order numbers are added follows from the shape.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.floats import value_of
from cntgraph.core.kernels.moments import (
    P1,
    P2,
    P3,
    P4,
    SHIFT,
    add_extremes,
    add_powers,
)
from cntgraph.core.kernels.transform import transform_values

#: Columns of a tile, and its rows: it stays in cache, where it is looked at again.
_COLUMNS, _ROWS = 2048, 4
#: Sums of one tap that are taken at once.
_LANES = 8

# Sums may be reassociated; what does so is inlined (see `moments`).
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_sums(w, group_rows, row_sums, column_sums):
    """Add the signed sums of w; those of rows, shape (rows,), over all taps."""
    n_rows, width = w.shape
    r = np.int64(0)
    while r < n_rows:
        group, n = _rows_together(r, n_rows, group_rows)
        for start in range(0, width, _COLUMNS):
            columns = column_sums[group, start : start + _COLUMNS]
            if n == _ROWS:
                _add_four(w, r, start, row_sums, columns)
            else:
                row_sums[r] += _add_one(w[r, start : start + _COLUMNS], columns)
        r += n


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_sums_and_moments(w, bits, group_rows, row_sums, column_sums, powers, extremes):
    """Do as `add_sums`, and tally the weights (see `moments`); `bits` are w as integers."""
    n_rows, width = w.shape
    r = np.int64(0)
    while r < n_rows:
        group, n = _rows_together(r, n_rows, group_rows)
        for start in range(0, width, _COLUMNS):
            columns = column_sums[group, start : start + _COLUMNS]
            if n == _ROWS:
                _add_four_and_powers(w, r, start, row_sums, columns, powers)
            else:
                row = w[r, start : start + _COLUMNS]
                row_sums[r] += _add_one(row, columns)
                add_powers(row, powers)
            for k in range(r, r + n):
                add_extremes(bits[k, start : start + _COLUMNS], extremes)
        r += n


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_row_sums_by_tap(w, taps, row_sums):
    """Add the signed sums of the rows of w by tap."""
    lanes = np.empty(_LANES * taps)
    for r in range(len(w)):
        _add_by_tap(w[r], taps, lanes, row_sums[r])


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_transformed_sums(w, transform, taps, group_rows, row_sums, column_sums):
    """Add the sums of f(w), f not the weight as it is."""
    first_row, per_group = group_rows
    row, lanes = np.empty(w.shape[1]), np.empty(_LANES * taps)
    for r in range(len(w)):
        transform_values(w[r], transform, row)
        total = _add_one(row, column_sums[(first_row + r) // per_group])
        if taps == 1:
            row_sums[r, 0] += total
        else:
            _add_by_tap(row, taps, lanes, row_sums[r])


@njit(cache=True, nogil=True)
def _rows_together(r, n_rows, group_rows):
    """Return the group of a row, and how many rows from it on are added up together."""
    first_row, per_group = group_rows
    group = (first_row + r) // per_group
    left = min((group + 1) * per_group - first_row, n_rows) - r
    return group, _ROWS if left >= _ROWS else 1


@njit(inline="always")
def _add_one(row, columns):
    total = 0.0
    for j in range(columns.size):
        value = value_of(row[j])
        columns[j] += value
        total += value
    return total


@njit(inline="always")
def _add_four(w, r, start, row_sums, columns):
    end = start + columns.size
    x0, x1, x2, x3 = w[r, start:end], w[r + 1, start:end], w[r + 2, start:end], w[r + 3, start:end]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(columns.size):
        y0, y1, y2, y3 = value_of(x0[j]), value_of(x1[j]), value_of(x2[j]), value_of(x3[j])
        columns[j] += (y0 + y1) + (y2 + y3)
        a += y0
        b += y1
        c += y2
        d += y3
    row_sums[r] += a
    row_sums[r + 1] += b
    row_sums[r + 2] += c
    row_sums[r + 3] += d


@njit(inline="always")
def _add_four_and_powers(w, r, start, row_sums, columns, powers):
    """Do what `_add_four` and `add_powers` do, widening each value once."""
    end = start + columns.size
    x0, x1, x2, x3 = w[r, start:end], w[r + 1, start:end], w[r + 2, start:end], w[r + 3, start:end]
    shift = powers[SHIFT]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    p1, p2, p3, p4 = 0.0, 0.0, 0.0, 0.0
    for j in range(columns.size):
        y0, y1, y2, y3 = value_of(x0[j]), value_of(x1[j]), value_of(x2[j]), value_of(x3[j])
        columns[j] += (y0 + y1) + (y2 + y3)
        a += y0
        b += y1
        c += y2
        d += y3
        d0, d1, d2, d3 = y0 - shift, y1 - shift, y2 - shift, y3 - shift
        s0, s1, s2, s3 = d0 * d0, d1 * d1, d2 * d2, d3 * d3
        p1 += (d0 + d1) + (d2 + d3)
        p2 += (s0 + s1) + (s2 + s3)
        p3 += (s0 * d0 + s1 * d1) + (s2 * d2 + s3 * d3)
        p4 += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
    row_sums[r] += a
    row_sums[r + 1] += b
    row_sums[r + 2] += c
    row_sums[r + 3] += d
    powers[P1] += p1
    powers[P2] += p2
    powers[P3] += p3
    powers[P4] += p4


@njit(inline="always")
def _add_by_tap(row, taps, lanes, sums):
    """Add each entry of a row to the sum of its tap, several inputs at once."""
    lanes[:] = 0.0
    n, whole = lanes.size, row.size - row.size % lanes.size
    for j in range(0, whole, n):
        part = row[j : j + n]
        for k in range(n):
            lanes[k] += value_of(part[k])
    for k in range(n):
        sums[k % taps] += lanes[k]
    for j in range(whole, row.size):
        sums[j % taps] += value_of(row[j])
