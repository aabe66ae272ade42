"""Adding up the rows and the columns of CSR matrices."""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.transform import SIGNED, transform_values

#: Edges whose weights are looked at together, in cache.
PART = 512
#: Edges of a row that are too few to be worth a loop for each of its sums.
_SHORT = 16


@njit(cache=True, nogil=True)
def column_span(indptr, indices, rows):
    """Return the lowest column of some rows, whose columns ascend, and one beyond the highest."""
    low, high = np.int64(1) << 62, np.int64(0)
    for r in range(rows[0], rows[1]):
        if indptr[r] < indptr[r + 1]:
            low = min(low, np.int64(indices[indptr[r]]))
            high = max(high, np.int64(indices[indptr[r + 1] - 1]) + 1)
    return min(low, high), high


# Sums may be reassociated; what does so is inlined (see `moments`).
@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def add_row_column_sums(
    indptr, indices, data, rows, transform, counted, edge_block, first_column, row_sums, columns
):  # fmt: skip
    """Add f(w) of the edges of some rows to the sums of their rows and their columns.

    Columns count from `first_column`. Where `counted` has entries, it says which blocks count.
    """
    values = np.empty(PART)
    for r in range(rows[0], rows[1]):
        if transform == SIGNED and not counted.size:
            low, high = indptr[r], indptr[r + 1]
            if high - low < _SHORT:
                row_sums[r] += _add_few(data, indices, low, high, first_column, columns)
            else:
                row_sums[r] += _add_to_columns(
                    data[low:high], indices[low:high], first_column, columns
                )
            continue
        for low in range(indptr[r], indptr[r + 1], PART):
            high = min(low + PART, indptr[r + 1])
            take_counted(data, edge_block, low, high, transform, counted, values)
            row_sums[r] += _add_to_columns(
                values[: high - low], indices[low:high], first_column, columns
            )


@njit(cache=True, nogil=True)
def count_columns(indices, edges, first_column, columns):
    """Add one to the column of each of some edges; columns count from `first_column`."""
    for k in range(np.uint64(edges[0]), np.uint64(edges[1])):
        columns[np.uint64(indices[k] - first_column)] += 1.0


@njit(cache=True, nogil=True)
def take_counted(data, edge_block, low, high, transform, counted, values):
    """Write f(w) of some edges; zero for those of blocks that do not count, if any do not."""
    transform_values(data[low:high], transform, values)
    if counted.size:
        for k in range(high - low):
            if not counted[edge_block[low + k]]:
                values[k] = 0.0


@njit(cache=True, nogil=True)
def _add_few(data, indices, low, high, first_column, columns):
    """Add the weights of a few edges to their columns; return their sum."""
    total = 0.0
    for k in range(np.uint64(low), np.uint64(high)):  # unsigned: never a place from the end
        x = np.float64(data[k])
        columns[np.uint64(indices[k] - first_column)] += x
        total += x
    return total


@njit(inline="always")
def _add_to_columns(values, indices, first_column, columns):
    """Add values to their columns; return their sum."""
    n, total = values.size, 0.0
    if n and _is_consecutive(indices):
        start = np.int64(indices[0]) - first_column
        here = columns[start : start + n]
        for k in range(n):
            here[k] += np.float64(values[k])
    else:
        for k in range(n):
            columns[np.uint64(indices[k] - first_column)] += np.float64(values[k])
    # A loop of its own, which vectorizes; the values are in cache.
    for k in range(n):
        total += np.float64(values[k])
    return total


@njit(cache=True, nogil=True)
def _is_consecutive(indices):
    """Whether indices count up by one, as those of a dense layer do."""
    if indices[indices.size - 1] - indices[0] != indices.size - 1:
        return False
    n_other = 0
    for k in range(indices.size):
        n_other += indices[k] != indices[0] + k
    return n_other == 0
