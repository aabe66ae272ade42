"""Products of the rows of CSR matrices with vectors, under a transform of their weights."""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.csr_sums import PART, take_counted
from cntgraph.core.kernels.transform import ABSOLUTE, SIGNED

# Unsigned counters spare a look at each index for whether it is negative. Sums stay in order: what
# reassociation would gain, gathering values by vector instructions loses many times over.


@njit(cache=True, nogil=True)
def add_row_products(
    indptr, indices, data, rows, transform, counted, edge_block, first_column, x, out
):  # fmt: skip
    """Add Σ f(w) x[column] to the entry of each of some rows.

    Columns count from `first_column`. Where `counted` has entries, it says which blocks count.
    """
    values = np.empty(PART)
    for r in range(rows[0], rows[1]):
        low, high = indptr[r], indptr[r + 1]
        if not counted.size and transform in (SIGNED, ABSOLUTE):
            out[r - rows[0]] += _row(
                indices, data, low, high, transform == ABSOLUTE, first_column, x
            )
            continue
        for start in range(low, high, PART):
            stop = min(start + PART, high)
            take_counted(data, edge_block, start, stop, transform, counted, values)
            for k in range(stop - start):
                column = np.uint64(indices[start + k] - first_column)
                out[r - rows[0]] += values[k] * x[column]


@njit(cache=True, nogil=True)
def _row(indices, data, low, high, absolute, first_column, x):
    total = 0.0
    if absolute:
        for k in range(np.uint64(low), np.uint64(high)):
            total += abs(np.float64(data[k])) * x[np.uint64(indices[k] - first_column)]
    else:
        for k in range(np.uint64(low), np.uint64(high)):
            total += np.float64(data[k]) * x[np.uint64(indices[k] - first_column)]
    return total


@njit(cache=True, nogil=True)
def add_column_products(
    indptr, indices, data, rows, transform, counted, edge_block, first_column, z, out
):  # fmt: skip
    """Add f(w) z[row] to the entry of the column of every edge of some rows; see above."""
    values = np.empty(PART)
    for r in range(rows[0], rows[1]):
        low, high, factor = indptr[r], indptr[r + 1], z[r - rows[0]]
        if not counted.size and transform in (SIGNED, ABSOLUTE):
            _columns(indices, data, low, high, transform == ABSOLUTE, first_column, factor, out)
            continue
        for start in range(low, high, PART):
            stop = min(start + PART, high)
            take_counted(data, edge_block, start, stop, transform, counted, values)
            for k in range(stop - start):
                out[np.uint64(indices[start + k] - first_column)] += values[k] * factor


@njit(cache=True, nogil=True)
def _columns(indices, data, low, high, absolute, first_column, factor, out):
    if absolute:
        for k in range(np.uint64(low), np.uint64(high)):
            w = abs(np.float64(data[k]))
            out[np.uint64(indices[k] - first_column)] += w * factor
    else:
        for k in range(np.uint64(low), np.uint64(high)):
            out[np.uint64(indices[k] - first_column)] += np.float64(data[k]) * factor
