"""Checking the rows of CSR matrices that somebody else has written."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def first_bad_row(indptr, indices, marks, rows, n_columns, n_marks):
    """Return the first of some rows that is not one, or -1.

    A row begins where the one before ends, and ends behind its beginning and within the arrays;
    its columns ascend, and lie below `n_columns`, as its marks do below `n_marks`.
    """
    for r in range(rows[0], rows[1]):
        low, high, before = np.int64(indptr[r]), np.int64(indptr[r + 1]), np.int64(0)
        if low < 0 or high < low or high > indices.size:
            return r
        bad = False
        for k in range(low, high):
            column = np.int64(indices[k])
            bad |= column < before or column >= n_columns or np.int64(marks[k]) >= n_marks
            before = column
        if bad:
            return r
    return -1
