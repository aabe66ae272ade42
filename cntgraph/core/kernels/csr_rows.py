"""Writing the rows of CSR matrices.

A row that is left out has a negative start. Columns are the first target's plus the position;
they ascend within a row, whatever kind of block its edges are of.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def copy_rows(indptr, source_indices, source_data, starts, column, indices, data):
    """Copy row r of one matrix to position ``starts[r]`` of another."""
    for r in range(starts.size):
        k = starts[r]
        if k < 0:
            continue
        for e in range(indptr[r], indptr[r + 1]):
            indices[k] = column + source_indices[e]
            data[k] = source_data[e]
            k += 1


@njit(cache=True, nogil=True)
def fill_dense(w, first_output, starts, column, indices, data):
    """Write some outputs of a weight (outputs, inputs) into the row of every input."""
    n_outputs, n_inputs = w.shape
    width = 16  # one cache line of float32: rows of w are read in whole lines
    first = column + first_output
    for i0 in range(0, n_inputs, width):
        for i in range(i0, min(i0 + width, n_inputs)):
            k = starts[i] + first_output
            if starts[i] < 0:
                continue
            row, values = indices[k : k + n_outputs], data[k : k + n_outputs]
            for o in range(n_outputs):
                row[o] = first + o
            for o in range(n_outputs):
                values[o] = w[o, i]


@njit(cache=True, nogil=True)
def fill_convolution(
    kernel, rows_per_group, n_positions, class_indptr, class_tap, class_step,
    order_indptr, order, first, channels, part, starts, column, indices, data,
):  # fmt: skip
    """Write rows of some channels of an unrolled convolution.

    `kernel` has shape (row channels, column channels of a group, taps). The positions of the row
    side fall into classes that see the same taps at the same distances (the interior of a feature
    map is one, or one for each phase of a stride): class c reads the taps ``class_tap`` of
    ``class_indptr[c]:class_indptr[c + 1]``, each ``class_step`` after the position ``first`` of a
    row. Its rows are ``order[order_indptr[c]:order_indptr[c + 1]]``, of which those in `part` of
    `order` are written: they differ by a shift of their columns only.
    """
    per_group, n_rows = kernel.shape[1], order.size
    for c in range(class_indptr.size - 1):
        low, high = max(order_indptr[c], part[0]), min(order_indptr[c + 1], part[1])
        n_taps = class_indptr[c + 1] - class_indptr[c]
        if low >= high or n_taps == 0:
            continue
        taps = class_tap[class_indptr[c] : class_indptr[c + 1]]
        steps = np.empty(per_group * n_taps, indices.dtype)
        for j in range(per_group):
            for t in range(n_taps):
                step = class_step[class_indptr[c] + t]
                steps[j * n_taps + t] = j * n_positions + step
        values = np.empty(per_group * n_taps, data.dtype)
        for channel in range(channels[0], channels[1]):
            for j in range(per_group):
                for t in range(n_taps):
                    values[j * n_taps + t] = kernel[channel, j, taps[t]]
            base = column + channel // rows_per_group * per_group * n_positions
            for place in range(low, high):
                k = starts[channel * n_rows + order[place]]
                if k >= 0:
                    _write_row(steps, base + first[order[place]], values, k, indices, data)


@njit(cache=True, nogil=True)
def _write_row(steps, shift, values, k, indices, data):
    """Write one row at position k."""
    row, out = indices[k : k + steps.size], data[k : k + steps.size]
    for j in range(steps.size):
        row[j] = shift + steps[j]
    for j in range(steps.size):
        out[j] = values[j]


@njit(cache=True, nogil=True)
def mark_rows(starts, degrees, mark, marks):
    """Set ``marks[starts[r] : starts[r] + degrees[r]] = mark`` for every row that is kept."""
    for r in range(starts.size):
        if starts[r] >= 0:
            marks[starts[r] : starts[r] + degrees[r]] = mark


@njit(cache=True, nogil=True)
def rename_rows(starts, degrees, names, indices):
    """Replace positions in the rows by what they are called: ``names[position]``."""
    for r in range(starts.size):
        if starts[r] >= 0:
            for k in range(starts[r], starts[r] + degrees[r]):
                indices[k] = names[indices[k]]
