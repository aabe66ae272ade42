"""Sums of a kernel tensor over its output channels and over its input channels, in one pass.

A weight of shape (rows, inner * taps) belongs to `rows` output channels, `inner` input channels
of their group and `taps` kernel positions; a dense matrix has one tap. For every transform f

    row_sums[r, t]          = sum over i of f(w[r, i, t])
    column_sums[g, i, t]    = sum over the rows r of group g of f(w[r, i, t])

Weights are given as stored (`floats`), and what they are multiplied by as in `scaling`.
`group_rows` are the place of their first row in the whole weight, and how
many rows a group has. In which order numbers are added follows from the shape.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.floats import value_of
from cntgraph.core.kernels.moments import (
    LARGEST,
    LEAST,
    SHIFT,
    add_tile,
    add_to_tally,
    larger,
    lesser,
)
from cntgraph.core.kernels.prefetch import ask_for_rows
from cntgraph.core.kernels.scaling import factor_of, part_of, scale_row
from cntgraph.core.kernels.transform import transform_in_place

#: Columns of a tile, and its rows: their sums stay in cache.
_COLUMNS, _ROWS = 1024, 4
#: Bytes of rows that end before the processor sees what comes next, and columns of their tiles:
#: what is asked for at once is what arrives while a tile is added up.
_SHORT_ROW, _FEW_COLUMNS = 8192, 128
#: Sums of one tap that are taken at once.
_LANES = 8

# Sums may be reassociated; what does so is inlined (see `moments`).
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_sums(w, by_row, by_column, taps, group_rows, row_sums, column_sums, tally):
    """Add the signed sums of w, and tally the weights (see `moments`) unless `tally` is None."""
    width, (tile, asks) = w.shape[1], _tile_of(w, taps)
    totals, lanes, row = np.empty(_ROWS), np.empty(_LANES * taps), np.empty(tile)
    first = np.int64(0)
    while first < len(w):
        group, fours, end = _rows_of_group(first, len(w), group_rows)
        for r in range(first, fours, _ROWS):
            for start in range(0, width, tile):
                columns = column_sums[group, start : min(start + tile, width)]
                if asks:
                    ask_for_rows(w, r + _ROWS, _ROWS, start, start + columns.size)
                if tally is None:
                    _add_four(w, by_row, by_column, r, start, columns, totals)
                else:
                    _add_four_and_tally(w, by_row, by_column, r, start, columns, totals, tally)
                if taps == 1:
                    _add_totals(totals, row_sums, r)
                else:
                    _add_taps(w, by_row, by_column, r, _ROWS, start, columns.size, lanes, row_sums)
        for r in range(fours, end):
            for start in range(0, width, tile):
                columns = column_sums[group, start : min(start + tile, width)]
                total = _add_one(w, by_row, by_column, r, start, columns)
                if tally is not None:
                    scale_row(w, by_row, by_column, r, start, row[: columns.size])
                    add_tile(row[: columns.size], tally)
                if taps == 1:
                    row_sums[r, 0] += total
                else:
                    _add_taps(w, by_row, by_column, r, 1, start, columns.size, lanes, row_sums)
        first = end


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_transformed_sums(
    w, by_row, by_column, transform, taps, group_rows, row_sums, column_sums
):  # fmt: skip
    """Add the sums of f(w), f not the weight as it is."""
    first_row, per_group = group_rows
    first_column = np.int64(0)  # a literal would be a type of its own
    row, lanes = np.empty((1, w.shape[1])), np.empty(_LANES * taps)
    for r in range(len(w)):
        scale_row(w, by_row, by_column, r, first_column, row[0])
        transform_in_place(row[0], transform)
        total = _add_one(row, None, None, 0, 0, column_sums[(first_row + r) // per_group])
        if taps == 1:
            row_sums[r, 0] += total
        else:
            _add_by_tap(row[0], 1.0, None, taps, lanes, row_sums[r])


@njit(cache=True, nogil=True)
def _tile_of(w, taps):
    """Return how many columns of a tile there are, and whether the next one is asked for."""
    asks = w.shape[1] * w.itemsize <= _SHORT_ROW
    columns = _FEW_COLUMNS if asks else _COLUMNS
    return max(columns // taps, 1) * taps, asks  # all taps of some inputs


@njit(cache=True, nogil=True)
def _rows_of_group(first, n_rows, group_rows):
    """Return the group of a row, and the ends of its rows: of those four at a time, and of all."""
    first_row, per_group = group_rows
    group = (first_row + first) // per_group
    end = min((group + 1) * per_group - first_row, n_rows)
    return group, end - (end - first) % _ROWS, end


@njit(inline="always")
def _add_one(w, by_row, by_column, r, start, columns):
    """Add a row times its factors to the sums of columns, and return its sum."""
    end = start + columns.size
    x, f, gs, total = w[r, start:end], factor_of(by_row, r), part_of(by_column, start, end), 0.0
    for j in range(columns.size):
        y = value_of(x[j]) * f * factor_of(gs, j)
        columns[j] += y
        total += y
    return total


@njit(inline="always")
def _add_four(w, by_row, by_column, r, start, columns, totals):
    """Add four rows times their factors to the sums of columns, and write their sums."""
    end = start + columns.size
    x0, x1, x2, x3 = w[r, start:end], w[r + 1, start:end], w[r + 2, start:end], w[r + 3, start:end]
    f0, f1 = factor_of(by_row, r), factor_of(by_row, r + 1)
    f2, f3 = factor_of(by_row, r + 2), factor_of(by_row, r + 3)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    gs = part_of(by_column, start, end)
    for j in range(columns.size):
        g = factor_of(gs, j)
        y0, y1 = value_of(x0[j]) * f0 * g, value_of(x1[j]) * f1 * g
        y2, y3 = value_of(x2[j]) * f2 * g, value_of(x3[j]) * f3 * g
        columns[j] += (y0 + y1) + (y2 + y3)
        a += y0
        b += y1
        c += y2
        d += y3
    totals[0], totals[1], totals[2], totals[3] = a, b, c, d


@njit(inline="always")
def _add_four_and_tally(w, by_row, by_column, r, start, columns, totals, tally):
    """Do what `_add_four` and `add_tile` do, widening each value once."""
    end = start + columns.size
    x0, x1, x2, x3 = w[r, start:end], w[r + 1, start:end], w[r + 2, start:end], w[r + 3, start:end]
    f0, f1 = factor_of(by_row, r), factor_of(by_row, r + 1)
    f2, f3 = factor_of(by_row, r + 2), factor_of(by_row, r + 3)
    shift, least, largest, zeros = tally[SHIFT], tally[LEAST], tally[LARGEST], np.int64(0)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    p1, p2, p3, p4 = 0.0, 0.0, 0.0, 0.0
    gs = part_of(by_column, start, end)
    for j in range(columns.size):
        g = factor_of(gs, j)
        y0, y1 = value_of(x0[j]) * f0 * g, value_of(x1[j]) * f1 * g
        y2, y3 = value_of(x2[j]) * f2 * g, value_of(x3[j]) * f3 * g
        columns[j] += (y0 + y1) + (y2 + y3)
        a += y0
        b += y1
        c += y2
        d += y3
        least = lesser(least, lesser(lesser(y0, y1), lesser(y2, y3)))
        largest = larger(largest, larger(larger(y0, y1), larger(y2, y3)))
        zeros += (np.int64(y0 == 0.0) + np.int64(y1 == 0.0)) + (
            np.int64(y2 == 0.0) + np.int64(y3 == 0.0)
        )
        d0, d1, d2, d3 = y0 - shift, y1 - shift, y2 - shift, y3 - shift
        s0, s1, s2, s3 = d0 * d0, d1 * d1, d2 * d2, d3 * d3
        p1 += (d0 + d1) + (d2 + d3)
        p2 += (s0 + s1) + (s2 + s3)
        p3 += (s0 * d0 + s1 * d1) + (s2 * d2 + s3 * d3)
        p4 += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
    totals[0], totals[1], totals[2], totals[3] = a, b, c, d
    add_to_tally(tally, p1, p2, p3, p4, least, largest, zeros)


@njit(inline="always")
def _add_totals(totals, sums, r):
    """Add the sums of four rows."""
    for k in range(_ROWS):
        sums[r + k, 0] += totals[k]


@njit(cache=True, nogil=True)
def _add_taps(w, by_row, by_column, r, n, start, size, lanes, sums):
    """Add some columns of n rows to their sums by tap."""
    gs = part_of(by_column, start, start + size)
    for k in range(r, r + n):
        row = w[k, start : start + size]
        _add_by_tap(row, factor_of(by_row, k), gs, sums.shape[1], lanes, sums[k])


@njit(cache=True, nogil=True)
def _add_by_tap(row, factor, by_column, taps, lanes, sums):
    """Add each entry of a row times its factors to the sum of its tap, several inputs at once."""
    lanes[:] = 0.0
    n, whole = lanes.size, row.size - row.size % lanes.size
    for j in range(0, whole, n):
        part, gs = row[j : j + n], part_of(by_column, j, j + n)
        for k in range(n):
            lanes[k] += value_of(part[k]) * factor_of(gs, k)
    for j in range(whole, row.size, taps):
        for t in range(taps):
            lanes[t] += value_of(row[j + t]) * factor_of(by_column, j + t)
    for k in range(0, n, taps):
        for t in range(taps):
            sums[t] += lanes[k + t] * factor
