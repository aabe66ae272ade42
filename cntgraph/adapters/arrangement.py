"""Arrangement: how the samples of a batch lie in a tensor of which those of one are known."""

from __future__ import annotations

import numpy as np

from cntgraph.adapters.builder.sightings import Sighting
from cntgraph.core.errors import TraceError
from cntgraph.core.types import Array

#: What two runs on the same sample may differ by, relative to the largest value.
_ROUNDING = 1e-3


class OtherRun(TraceError):
    """A model computes something else for this batch than for the one with which it was traced."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the model does not compute what it did when it was traced: {what}; pass the "
            "example_input and the options it is to be run with"
        )


def arrangement(seen: Sighting, shape: tuple[int, ...], n: int) -> tuple[int, int] | None:
    """Return the axis along which a tensor has `n` samples, and how much of it one sample has.

    None where it belongs to one sample, or to all.
    """
    if seen.n_samples > 1:
        axis = seen.axis
    elif n == 1 or seen.n_samples == 0:
        axis = None
    elif len(shape) != len(seen.shape):
        raise OtherRun(f"a tensor of shape {seen.shape} has shape {shape}")
    else:
        others = [k for k, m in enumerate(shape) if m != seen.shape[k]]
        axis = others[0] if others else None
    size = 1 if axis is None else seen.shape[axis] // max(seen.n_samples, 1)
    wanted = list(seen.shape)
    if axis is not None:
        wanted[axis] = size * n
    if tuple(wanted) != shape:
        raise OtherRun(f"a tensor of shape {seen.shape} has shape {shape} for {n} samples")
    return None if axis is None else (axis, size)


def by_sample(tensor: Array, axis: int, n: int, run: int) -> Array:
    """Return a tensor as one row per sample, of which `run` values lie side by side on an axis."""
    shape = tensor.shape
    apart = tensor.reshape(*shape[:axis], -1, n, run, *shape[axis + 1 :])
    rows: Array = np.moveaxis(apart, axis + 1, 0).reshape(n, -1)
    return rows


def matching(tensor: Array, found: tuple[int, int], n: int, wanted: Array) -> int:
    """Return how many values of a sample lie side by side, so that the first is as it is alone."""
    axis, size = found
    largest = max(float(np.abs(wanted).max(initial=0.0)), 1e-30)
    for run in (k for k in range(size, 0, -1) if size % k == 0):
        first = by_sample(tensor, axis, n, run)[0]
        apart = np.abs(np.subtract(first, wanted, dtype=np.float64))
        if not apart.max(initial=0.0) > _ROUNDING * largest:
            return run
    raise OtherRun("a sample has other values in a batch than alone")
