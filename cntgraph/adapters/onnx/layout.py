"""Operations that only give a tensor another shape, for arrays and recipes alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cntgraph.adapters.onnx.values import Call

Sizes = tuple[int, ...]
#: Operations that change the shape alone.
RESHAPING = frozenset(["Flatten", "Reshape", "Squeeze", "Unsqueeze"])


def new_shape(call: Call, shape: Sizes) -> Sizes:
    """Return the shape that an operation gives to a tensor.

    Parameters
    ----------
    call : Call
        One of `RESHAPING`, whose other inputs are constants.
    shape : tuple of int
        Shape of its first input.
    """
    if call.operation == "Reshape":
        return _reshaped(shape, _numbers(call, "shape") or (), bool(call.get("allowzero", 0)))
    if call.operation == "Flatten":
        axis = int(call.get("axis", 1))
        axis = axis + len(shape) if axis < 0 else axis
        return prod(shape[:axis]), prod(shape[axis:])
    axes = _numbers(call, "axes")
    if call.operation == "Squeeze":
        rank = len(shape)
        gone = {k for k, n in enumerate(shape) if n == 1} if axes is None else {
            axis % rank for axis in axes}  # fmt: skip
        if any(shape[axis] != 1 for axis in gone):
            raise ValueError(f"axes {sorted(gone)} of a tensor of shape {shape} are not all one")
        return tuple(n for k, n in enumerate(shape) if k not in gone)
    rank = len(shape) + len(axes or ())
    new = {axis % rank for axis in axes or ()}
    if len(new) != len(axes or ()):
        raise ValueError(f"axes {axes} are put in twice")
    sizes = iter(shape)
    return tuple(1 if k in new else next(sizes) for k in range(rank))


def _numbers(call: Call, attribute: str) -> tuple[int, ...] | None:
    found = call.constant(1, attribute)
    return None if found is None else tuple(int(n) for n in np.ravel(found))


def _reshaped(shape: Sizes, wanted: Sequence[int], allow_zero: bool) -> Sizes:
    sizes = [
        shape[k] if n == 0 and not allow_zero and k < len(shape) else n
        for k, n in enumerate(wanted)
    ]
    if sizes.count(-1) == 1:
        known = prod(n for n in sizes if n != -1)
        sizes[sizes.index(-1)] = prod(shape) // known if known else 0
    if min(sizes, default=0) < 0 or prod(sizes) != prod(shape):
        raise ValueError(f"a tensor of shape {shape} cannot be reshaped to {list(wanted)}")
    return tuple(sizes)
