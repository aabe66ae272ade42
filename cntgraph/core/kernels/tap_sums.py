"""Sums over the taps of a kernel: at each class of positions, over the taps that cover it.

How they are found is a list of additions (see `cntgraph.network.blocks.tap_sums`): rows of lanes
are given, one for each tap; each addition makes one more of those before it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from cntgraph.core.kernels.lanes import LANES, sum_lanes


@njit(cache=True, nogil=True)
def sum_taps(table, additions, out):
    """Write the sums of the channels of a table, (channels, taps), to `out`, (channels, sums)."""
    n_taps = table.shape[1]
    rows = np.zeros((n_taps + len(additions), LANES))
    for first in range(0, len(table), LANES):
        n = min(LANES, len(table) - first)
        for lane in range(n):
            for t in range(n_taps):
                rows[t, lane] = table[first + lane, t]
        write_sums(rows, additions, n, out[first : first + n])


@register_jitable
def write_sums(rows, additions, n, out):
    """Add up rows, of which those of the taps are given, and write n lanes of the sums to `out`."""
    given, n_sums = len(rows) - len(additions), out.shape[1]
    for k in range(len(additions)):
        sum_lanes(rows, given + k, additions[k, 0], additions[k, 1], additions[k, 2])
    last = rows[len(rows) - n_sums :]
    for lane in range(n):
        for k in range(n_sums):
            out[lane, k] = last[k, lane]
