"""Transforms of weights, as kernels know them."""

from __future__ import annotations

from numba import njit

from cntgraph.core.kernels.floats import value_of

#: Their codes, as `cntgraph.network.blocks.transform` counts them.
SIGNED, ABSOLUTE, POSITIVE, NEGATIVE, SQUARE, FOURTH, COUNT = range(7)


@njit(cache=True, nogil=True)
def transform_values(values, transform, out):
    """Write f of every value, given as stored (`floats`); by loops, each of which vectorizes."""
    for j in range(values.size):
        out[j] = value_of(values[j])
    transform_in_place(out[: values.size], transform)


@njit(cache=True, nogil=True)
def transform_in_place(out, transform):
    """Replace every value by f of it."""
    if transform == ABSOLUTE:
        for j in range(out.size):
            out[j] = abs(out[j])
    elif transform == POSITIVE:
        for j in range(out.size):
            out[j] = 0.0 if out[j] < 0.0 else out[j]
    elif transform == NEGATIVE:
        for j in range(out.size):
            out[j] = 0.0 if out[j] > 0.0 else out[j]
    elif transform in (SQUARE, FOURTH):
        for j in range(out.size):
            out[j] *= out[j]
    elif transform == COUNT:
        for j in range(out.size):
            out[j] = 1.0
    if transform == FOURTH:
        for j in range(out.size):
            out[j] *= out[j]
