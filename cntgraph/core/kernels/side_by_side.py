"""Sums and statistics of small weights of many networks, some networks side by side.

What is done to the weights of one network is done to those of all, each in a lane of its own: its
bits depend on no other. Weights are read once, tile by tile.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from cntgraph.core.kernels.floats import value_of
from cntgraph.core.kernels.lanes import (
    LANES,
    LARGEST,
    LEAST,
    M2,
    M3,
    M4,
    MEAN,
    N_TALLIED,
    N_ZERO,
    add_lanes,
    lay,
    tally_lanes,
)
from cntgraph.core.kernels.prefetch import ask_for_rows
from cntgraph.core.kernels.stacks import add_row, merge_statistics
from cntgraph.core.kernels.tap_sums import write_sums

#: Values of a network that are looked at at a time: those of all lanes stay in the nearest cache.
_TILE = 256


@njit(cache=True, nogil=True)
def add_sums_of_each(values, rows, columns, n_taps, row_sums, column_sums, found):
    """Write the signed sums of each network's weight at every class of positions, and tally it.

    A network's weight is a row of `values`. Column k counts among the row sums at ``rows[k]`` and
    among the column sums at ``columns[k]``, which have a place for each tap of each channel.
    `row_sums` and `column_sums` say what becomes of those: the additions that the taps of a channel
    go through (see `tap_sums`), and the array of shape (n, channels, sums) that the result is
    written to. `found` is as in `stacks`.
    """
    by_row, row_lanes = _room_for(n_taps, row_sums)
    by_column, column_lanes = _room_for(n_taps, column_sums)
    tile, tally = np.zeros((_TILE, LANES)), np.empty((N_TALLIED, LANES))
    for first in range(0, len(found), LANES):
        n = min(LANES, len(found) - first)
        own = found[first : first + n]
        by_row[:], by_column[:] = 0.0, 0.0
        for start in range(0, rows.size, _TILE):
            size = min(_TILE, rows.size - start)
            _lay_tile(values, first, start, n, tile[:size])
            for k in range(size):
                if k % LANES == 0:
                    _ask_for_next(values, first, start, k // LANES)
                add_lanes(by_row, rows[start + k], tile, k)
                add_lanes(by_column, columns[start + k], tile, k)
            tally_lanes(tile, size, tally)
            _merge(tile[:size], tally, own)
        _write(by_row, n_taps, row_sums, row_lanes, first, n)
        _write(by_column, n_taps, column_sums, column_lanes, first, n)


@register_jitable
def _room_for(n_taps, sums):
    """Return room for the sums of the taps of all channels, and for what becomes of a channel's."""
    additions, out = sums
    return np.empty((out.shape[1] * n_taps, LANES)), np.empty((n_taps + len(additions), LANES))


@register_jitable
def _lay_tile(values, first, start, n, tile):
    """Lay values of n networks side by side."""
    whole = len(tile) // LANES * LANES if n == LANES else 0
    for k in range(0, whole, LANES):
        lay(values, first, start + k, tile, k)
    for k in range(whole, len(tile)):
        for lane in range(n):
            tile[k, lane] = value_of(values[first + lane, start + k])


@register_jitable
def _ask_for_next(values, first, start, lane):
    """Ask for what a lane has in the tile after that at `start`."""
    start += _TILE
    if start >= values.shape[1]:  # the next networks
        first, start = first + LANES, 0
    ask_for_rows(values, first + lane, 1, start, min(start + _TILE, values.shape[1]))


@register_jitable
def _merge(tile, tally, found):
    """Add a tally of lanes to the statistics of their networks; if it can't be, the values."""
    for lane in range(len(found)):
        own = tally[:, lane]
        if np.isfinite(own[MEAN]):
            powers, extremes = (own[M2], own[M3], own[M4]), (own[LEAST], own[LARGEST], own[N_ZERO])
            merge_statistics(len(tile), own[MEAN], powers, extremes, found[lane])
        else:
            add_row(tile[:, lane].copy(), found[lane])


@register_jitable
def _write(by_channel, n_taps, sums, lanes, first, n):
    """Write what becomes of the sums of each channel of n networks to where it belongs."""
    additions, out = sums
    for c in range(out.shape[1]):
        lanes[:n_taps] = by_channel[c * n_taps : (c + 1) * n_taps]
        write_sums(lanes, additions, n, out[first : first + n, c])
