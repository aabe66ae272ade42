"""Values of which many positions share one: their sums over taps, and writing them out.

A table holds one value per combination of classes; along every axis, each position belongs to one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Rows of a table that are summed side by side.
_SIDE_BY_SIDE = 128


@njit(cache=True, nogil=True)
def sum_over_taps(table, cover, out):
    """Sum a table, shape (before, taps, after), over the taps of each class into ``out``.

    ``cover[t, k]`` says whether tap t belongs to class k; what does not is never touched, so that
    a weight which is not a number stays where it is. ``out`` has shape (before, classes, after).
    """
    n_before, n_taps, n_after = table.shape
    most = min(n_before, _SIDE_BY_SIDE)
    values, total = np.empty((n_taps * n_after, most)), np.empty(most)
    for first in range(0, n_before, _SIDE_BY_SIDE):
        n = min(first + _SIDE_BY_SIDE, n_before) - first
        for t in range(n_taps):
            for b in range(n_after):  # few: the taps of the axes that follow
                own = values[t * n_after + b]
                for a in range(n):
                    own[a] = table[first + a, t, b]
        for k in range(cover.shape[1]):
            for b in range(n_after):
                total[:n] = 0.0
                for t in range(n_taps):
                    if cover[t, k]:
                        own = values[t * n_after + b]
                        for a in range(n):
                            total[a] += own[a]
                for a in range(n):
                    out[first + a, k, b] = total[a]


@njit(cache=True, nogil=True)
def write_classes(table, channels, rows, columns, out):
    """Write ``table[channels[c], rows[r], columns[i]]`` to ``out[c, r, i]``, row by row.

    A row whose class has been written before is copied from there.
    """
    written = np.empty(table.shape[1], np.int64)
    for c in range(out.shape[0]):
        written[:] = -1
        values, plane = table[channels[c]], out[c]
        for r in range(out.shape[1]):
            k = rows[r]
            if written[k] < 0:
                for i in range(out.shape[2]):
                    plane[r, i] = values[k, columns[i]]
                written[k] = r
            else:
                for i in range(out.shape[2]):
                    plane[r, i] = plane[written[k], i]
