"""Filling, sorting and summing the rows of CSR matrices."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def copy_rows(indptr, source_indices, source_data, starts, columns, indices, data):
    """Copy row r of one matrix to position ``starts[r]`` of another; skip negative starts."""
    for r in range(starts.size):
        k = starts[r]
        if k < 0:
            continue
        for e in range(indptr[r], indptr[r + 1]):
            indices[k] = columns[source_indices[e]]
            data[k] = source_data[e]
            k += 1


@njit(cache=True, nogil=True)
def fill_dense(w, first_column, starts, columns, indices, data):
    """Write rows `first_column`… of a weight (outputs, inputs) as columns of the adjacency."""
    n_outputs, n_inputs = w.shape
    width = 16  # one cache line of float32: rows of w are read in whole lines
    for i0 in range(0, n_inputs, width):
        i1 = min(i0 + width, n_inputs)
        for o in range(n_outputs):
            column = columns[first_column + o]
            for i in range(i0, i1):
                if starts[i] >= 0:
                    k = starts[i] + first_column + o
                    indices[k] = column
                    data[k] = w[o, i]


@njit(cache=True, nogil=True)
def fill_convolution(
    kernel, rows_per_group, pattern_indptr, pattern_tap, pattern_position, n_positions,
    first_channel, last_channel, starts, columns, indices, data,
):  # fmt: skip
    """Write the rows of the channels ``first_channel:last_channel`` of an unrolled convolution.

    `kernel` has shape (row channels, column channels of a group, taps). The pattern is a CSR
    over positions: for each position on the row side, which tap leads to which position on
    the column side.
    """
    per_group = kernel.shape[1]
    n_rows = pattern_indptr.size - 1
    for channel in range(first_channel, last_channel):
        group = channel // rows_per_group
        for p in range(n_rows):
            k = starts[channel * n_rows + p]
            if k < 0:
                continue
            for c in range(per_group):
                base = (group * per_group + c) * n_positions
                for e in range(pattern_indptr[p], pattern_indptr[p + 1]):
                    indices[k] = columns[base + pattern_position[e]]
                    data[k] = kernel[channel, c, pattern_tap[e]]
                    k += 1


@njit(cache=True, nogil=True)
def mark_rows(starts, degrees, mark, marks):
    """Set ``marks[starts[r] : starts[r] + degrees[r]] = mark`` for every row that is kept."""
    for r in range(starts.size):
        if starts[r] >= 0:
            for k in range(starts[r], starts[r] + degrees[r]):
                marks[k] = mark


@njit(cache=True, nogil=True)
def sort_rows(indptr, indices, data, marks):
    """Sort every row that is not sorted by column, by column and then by mark."""
    for r in range(indptr.size - 1):
        low, high = indptr[r], indptr[r + 1]
        ordered = True
        for k in range(low + 1, high):
            if indices[k] < indices[k - 1]:
                ordered = False
                break
        if not ordered:
            order = np.argsort(indices[low:high], kind="mergesort")
            indices[low:high] = indices[low:high][order]
            data[low:high] = data[low:high][order]
            marks[low:high] = marks[low:high][order]


@njit(cache=True, nogil=True)
def row_column_sums(indptr, indices, values, rows, columns):
    """Add the values of edges to their rows and columns."""
    for r in range(indptr.size - 1):
        total = 0.0
        for k in range(indptr[r], indptr[r + 1]):
            x = np.float64(values[k])
            total += x
            columns[indices[k]] += x
        rows[r] += total
