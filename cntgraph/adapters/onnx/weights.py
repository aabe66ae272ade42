"""Stored whole numbers as the weights that they stand for, and what is computed of weights."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import COMPUTABLE, run
from cntgraph.adapters.onnx.values import Call, concrete, shape_of
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.core.recipe import Recipe

#: Functions of weights that are no recipe are computed once, up to this many values.
_LARGEST_COMPUTED = 1 << 24


def dequantized(t: Tracer, value: Any, scale: Any, zero: Any, axis: int, block: int = 0) -> Recipe:
    """Return (x − zero point) · scale: by tensor, along an axis, or in blocks along it.

    Scale and zero point may be missing.
    """
    x = t.recipe(value)
    if zero is not None and not (isinstance(zero, np.ndarray) and not zero.any()):
        x = x - along(t.recipe(zero), x.shape, axis, block)
    return x if scale is None else x * along(t.recipe(scale), x.shape, axis, block)


def along(recipe: Recipe, shape: tuple[int, ...], axis: int, block: int = 0) -> Recipe:
    """Return the step or the zero point of stored whole numbers so that it broadcasts.

    Parameters
    ----------
    recipe : Recipe
        One value; one an entry of an axis; one a block along it; or of as many axes as the
        whole numbers.
    shape : tuple of int
        Shape of the whole numbers.
    axis : int
        The axis along which it changes.
    block : int, default 0
        Length of a block; 0 where there are none.
    """
    rank = len(shape)
    axis = axis % rank if rank else 0
    if prod(recipe.shape) == 1:
        return recipe.reshape((1,) * rank)
    if block:
        return recipe.gather(axis, np.arange(shape[axis]) // block)
    if len(recipe.shape) == rank:
        return recipe
    return recipe.reshape((1,) * axis + (-1,) + (1,) * (rank - axis - 1))


def compute_weights(call: Call) -> list[Any] | None:
    """Compute a function of weights that is no recipe, if it is small."""
    size = sum(prod(shape_of(value)) for value in call.inputs)
    if call.operation not in COMPUTABLE or size > _LARGEST_COMPUTED:
        return None
    return run(call, [None if value is None else _as_stored(value) for value in call.inputs])


def _as_stored(value: Any) -> Any:
    """Return values in single precision, unless parameters are stored in double."""
    array = concrete(value)
    double = not isinstance(value, Recipe) or any(p.dtype == "float64" for p in value.parameters())
    return array if double or array.dtype != np.float64 else array.astype(np.float32)
