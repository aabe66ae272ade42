"""Putting the rows of CSR matrices in order."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def merge_rows(rows, indptr, indices, data, marks):
    """Order some rows by column; of equal columns, those that stand first stay first.

    A row is a few ascending runs, one for each block: neighbors are merged until one is left.
    """
    for r in rows:
        here = slice(indptr[r], indptr[r + 1])
        row, weights, own = indices[here], data[here], marks[here]
        ends = _run_ends(row)
        while ends.size > 1:
            start, n = 0, 0
            for run in range(0, ends.size - 1, 2):
                _merge_runs(start, ends[run], ends[run + 1], row, weights, own)
                start = ends[run + 1]
                ends[n] = start
                n += 1
            if ends.size % 2:
                ends[n] = ends[ends.size - 1]
                n += 1
            ends = ends[:n]


@njit(cache=True, nogil=True)
def _run_ends(row):
    """Return where each ascending run of a row ends."""
    n = 1 if row.size else 0
    for k in range(1, row.size):
        n += row[k] < row[k - 1]
    ends, found = np.empty(n, np.int64), 0
    for k in range(1, row.size):
        if row[k] < row[k - 1]:
            ends[found] = k
            found += 1
    if row.size:
        ends[found] = row.size
    return ends


@njit(cache=True, nogil=True)
def _merge_runs(start, middle, stop, row, weights, own):
    """Merge two neighboring runs, from their ends: only the second one is set aside."""
    size = stop - middle
    other, other_weights, other_own = (
        row[middle:stop].copy(), weights[middle:stop].copy(), own[middle:stop].copy(),
    )  # fmt: skip
    left, right, k = middle - 1, size - 1, stop - 1
    while right >= 0:
        if left >= start and row[left] > other[right]:
            row[k], weights[k], own[k] = row[left], weights[left], own[left]
            left -= 1
        else:
            row[k], weights[k], own[k] = other[right], other_weights[right], other_own[right]
            right -= 1
        k -= 1
