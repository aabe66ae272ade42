"""Values of which many positions share one, written out.

A table holds one value per combination of classes; along every axis, each position belongs to one.
"""

from __future__ import annotations

import numpy as np
from numba import njit


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
