"""Sums and statistics of small weights of many networks, some networks side by side.

What is done to the weights of one network is done to those of all, each in a lane of its own: its
bits depend on no other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.floats import value_of
from cntgraph.core.kernels.stacks import add_row, extremes_of, merge_statistics

#: Networks side by side: a row of them is a few registers wide.
_LANES = 16


@njit(cache=True, nogil=True)
def add_sums_of_each(flat, step, places, shape, row_sums, column_sums, found):
    """Write the signed sums of each network's weight (see `row_column_sums`), and tally it.

    The weight of network i, of `shape` (rows, inner, taps), begins at ``flat[i * step]``; its value
    k has the place ``places[k]`` of its C order. Sums are of shape (n, rows * taps) and
    (n, inner * taps), `found` is as in `stacks`.
    """
    size = places.size
    values = np.zeros((size, _LANES))
    by_row = np.empty((row_sums.shape[1], _LANES))
    by_column = np.empty((column_sums.shape[1], _LANES))
    tally, one = np.empty(4 * _LANES), np.empty(size)
    for first in range(0, len(found), _LANES):
        n = min(_LANES, len(found) - first)
        _lay_side_by_side(flat[first * step :], step, places, n, values)
        _add_up(values, shape, by_row, by_column)
        _tally(values, shape[0], by_row, tally)
        for lane in range(n):
            row_sums[first + lane] = by_row[:, lane]
            column_sums[first + lane] = by_column[:, lane]
            mean, m2, m3, m4 = tally[lane::_LANES]
            own, start = found[first + lane], (first + lane) * step
            if np.isfinite(mean):
                extremes = extremes_of(flat[start : start + size])
                merge_statistics(size, mean, (m2, m3, m4), extremes, own)
            else:
                one[:] = values[:, lane]
                add_row(one, own)


@njit(cache=True, nogil=True)
def _lay_side_by_side(flat, step, places, n, values):
    for k in range(places.size):
        own = values[places[k]]
        for lane in range(n):
            own[lane] = value_of(flat[lane * step + k])


@njit(cache=True, nogil=True)
def _add_up(values, shape, by_row, by_column):
    n_rows, inner, taps = shape
    by_row[:], by_column[:] = 0.0, 0.0
    rows, columns, flat = by_row.reshape(-1), by_column.reshape(-1), values.reshape(-1)
    width = taps * _LANES  # what lies next to each other in all three
    for r in range(n_rows):
        own = flat[r * inner * width : (r + 1) * inner * width]
        _add_to(own, columns)
        for i in range(inner):
            _add_to(own[i * width : (i + 1) * width], rows[r * width : (r + 1) * width])


@njit(cache=True, nogil=True)
def _add_to(values, sums):
    for k in range(sums.size):
        sums[k] += values[k]


@njit(cache=True, nogil=True)
def _tally(values, n_rows, by_row, tally):
    """Write the mean and the sums of powers of the deviations from it of each lane.

    They are in one flat array, so that the compiler sees that they do not overlap.
    """
    tally[:] = 0.0
    for k in range(len(by_row)):
        for lane in range(_LANES):
            tally[lane] += by_row[k, lane]
    for lane in range(_LANES):
        tally[lane] /= len(values)
    width, part = values.size // n_rows, np.empty(4 * _LANES)
    part[:_LANES] = tally[:_LANES]
    for r in range(n_rows):  # row by row, so that rounding does not add up
        part[_LANES:] = 0.0
        _add_powers(values.reshape(-1)[r * width : (r + 1) * width], part)
        for k in range(_LANES, 4 * _LANES):
            tally[k] += part[k]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_powers(values, part):
    for start in range(0, values.size, _LANES):
        for lane in range(_LANES):
            d = values[start + lane] - part[lane]
            square = d * d
            part[_LANES + lane] += square
            part[2 * _LANES + lane] += square * d
            part[3 * _LANES + lane] += square * square
