"""Sums of a kernel tensor over its output channels and over its input channels, in one pass.

A weight of shape (rows, inner * taps) belongs to `rows` output channels, `inner` input channels
of their group and `taps` kernel positions; a dense matrix has one tap. For every transform f

    row_sums[r, t]          = sum over i of f(w[r, i, t])
    column_sums[g, i, t]    = sum over the rows r of group g of f(w[r, i, t])

Weights are given as stored (`floats`), and what they are multiplied by as in `scaling`; `by_row` is
None where they are not. `group_rows` are the place of their first row in the whole weight, and how
many rows a group has. In which order numbers are added follows from the shape.
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
from cntgraph.core.kernels.scaling import factor_of, scale_row, scale_tile
from cntgraph.core.kernels.transform import transform_in_place, transform_values

#: Columns of a tile, and its rows: it stays in cache, where it is looked at again.
_COLUMNS, _ROWS = 1024, 4
#: Sums of one tap that are taken at once.
_LANES = 8

# Sums may be reassociated; what does so is inlined (see `moments`).
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_sums(w, by_row, by_column, taps, group_rows, row_sums, column_sums):
    """Add the signed sums of w."""
    width, tile = w.shape[1], _tile_columns(taps)
    scaled, totals, lanes = np.empty((_ROWS, tile)), np.empty(_ROWS), np.empty(_LANES * taps)
    r = np.int64(0)
    while r < len(w):
        group, n = _rows_together(r, len(w), group_rows)
        for start in range(0, width, tile):
            stop = min(start + tile, width)
            columns = column_sums[group, start:stop]
            if by_row is None:  # noqa: SIM114 - without factors, no more than this is compiled
                _add_rows(w, by_row, r, start, n, columns, totals)
                _add_taps(w, by_row, r, start, n, stop - start, taps, lanes, totals, row_sums[r:])
            elif by_column.size == 0:
                _add_rows(w, by_row, r, start, n, columns, totals)
                _add_taps(w, by_row, r, start, n, stop - start, taps, lanes, totals, row_sums[r:])
            else:
                scale_tile(w, (r, r + n), (start, stop), by_row, by_column, scaled)
                _add_rows(scaled, None, 0, 0, n, columns, totals)
                _add_taps(scaled, None, 0, 0, n, stop - start, taps, lanes, totals, row_sums[r:])
        r += n


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_sums_and_moments(
    w, bits, by_row, by_column, taps, group_rows, row_sums, column_sums, powers, extremes
):  # fmt: skip
    """Do as `add_sums`, and tally the weights (see `moments`); `bits` are w as integers."""
    width, tile = w.shape[1], _tile_columns(taps)
    scaled, totals, lanes = np.empty((_ROWS, tile)), np.empty(_ROWS), np.empty(_LANES * taps)
    scaled_bits = scaled.view(np.int64)
    r = np.int64(0)
    while r < len(w):
        group, n = _rows_together(r, len(w), group_rows)
        for start in range(0, width, tile):
            stop = min(start + tile, width)
            columns = column_sums[group, start:stop]
            if by_row is None:
                _add_rows_and_powers(w, r, start, n, columns, totals, powers)
                _add_taps(w, None, r, start, n, stop - start, taps, lanes, totals, row_sums[r:])
                for k in range(r, r + n):
                    add_extremes(bits[k, start:stop], extremes)
            else:
                scale_tile(w, (r, r + n), (start, stop), by_row, by_column, scaled)
                _add_rows_and_powers(scaled, 0, 0, n, columns, totals, powers)
                _add_taps(scaled, None, 0, 0, n, stop - start, taps, lanes, totals, row_sums[r:])
                for k in range(n):
                    add_extremes(scaled_bits[k, : stop - start], extremes)
        r += n


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_transformed_sums(
    w, by_row, by_column, transform, taps, group_rows, row_sums, column_sums
):  # fmt: skip
    """Add the sums of f(w), f not the weight as it is."""
    first_row, per_group = group_rows
    row, lanes = np.empty(w.shape[1]), np.empty(_LANES * taps)
    for r in range(len(w)):
        if by_row is None:
            transform_values(w[r], transform, row)
        else:
            scale_row(w[r], by_row[r], by_column, row)
            transform_in_place(row, transform)
        total = _add_one(row, 1.0, column_sums[(first_row + r) // per_group])
        if taps == 1:
            row_sums[r, 0] += total
        else:
            _add_by_tap(row, 1.0, taps, lanes, row_sums[r])


@njit(cache=True, nogil=True)
def _tile_columns(taps):
    """Return how many columns of a tile there are: all taps of some inputs."""
    return max(_COLUMNS // taps, 1) * taps


@njit(cache=True, nogil=True)
def _rows_together(r, n_rows, group_rows):
    """Return the group of a row, and how many rows from it on are added up together."""
    first_row, per_group = group_rows
    group = (first_row + r) // per_group
    left = min((group + 1) * per_group - first_row, n_rows) - r
    return group, _ROWS if left >= _ROWS else 1


@njit(inline="always")
def _add_one(row, factor, columns):
    total = 0.0
    for j in range(columns.size):
        value = value_of(row[j]) * factor
        columns[j] += value
        total += value
    return total


@njit(inline="always")
def _add_rows(w, by_row, r, start, n, columns, totals):
    """Add n rows times their factors to the sums of columns, and write their sums."""
    if n == _ROWS:
        _add_four(w, by_row, r, start, columns, totals)
    else:
        row = w[r, start : start + columns.size]
        totals[0] = _add_one(row, factor_of(by_row, r), columns)


@njit(inline="always")
def _add_rows_and_powers(w, r, start, n, columns, totals, powers):
    """Do what `_add_rows` and `add_powers` do, without factors."""
    if n == _ROWS:
        _add_four_and_powers(w, r, start, columns, totals, powers)
    else:
        row = w[r, start : start + columns.size]
        totals[0] = _add_one(row, 1.0, columns)
        add_powers(row, powers)


@njit(inline="always")
def _add_four(w, by_row, r, start, columns, totals):
    end = start + columns.size
    x0, x1, x2, x3 = w[r, start:end], w[r + 1, start:end], w[r + 2, start:end], w[r + 3, start:end]
    f0, f1 = factor_of(by_row, r), factor_of(by_row, r + 1)
    f2, f3 = factor_of(by_row, r + 2), factor_of(by_row, r + 3)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(columns.size):
        y0, y1 = value_of(x0[j]) * f0, value_of(x1[j]) * f1
        y2, y3 = value_of(x2[j]) * f2, value_of(x3[j]) * f3
        columns[j] += (y0 + y1) + (y2 + y3)
        a += y0
        b += y1
        c += y2
        d += y3
    totals[0], totals[1], totals[2], totals[3] = a, b, c, d


@njit(inline="always")
def _add_four_and_powers(w, r, start, columns, totals, powers):
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
    totals[0], totals[1], totals[2], totals[3] = a, b, c, d
    powers[P1] += p1
    powers[P2] += p2
    powers[P3] += p3
    powers[P4] += p4


@njit(cache=True, nogil=True)
def _add_taps(w, by_row, r, start, n, size, taps, lanes, totals, sums):
    """Add n rows to their sums by tap; where there is one, `totals` are what is added."""
    for k in range(n):
        if taps == 1:
            sums[k, 0] += totals[k]
        else:
            row = w[r + k, start : start + size]
            _add_by_tap(row, factor_of(by_row, r + k), taps, lanes, sums[k])


@njit(cache=True, nogil=True)
def _add_by_tap(row, factor, taps, lanes, sums):
    """Add each entry of a row times a factor to the sum of its tap, several inputs at once."""
    lanes[:] = 0.0
    n, whole = lanes.size, row.size - row.size % lanes.size
    for j in range(0, whole, n):
        part = row[j : j + n]
        for k in range(n):
            lanes[k] += value_of(part[k])
    for j in range(whole, row.size, taps):
        for t in range(taps):
            lanes[t] += value_of(row[j + t])
    for k in range(0, n, taps):
        for t in range(taps):
            sums[t] += lanes[k + t] * factor
