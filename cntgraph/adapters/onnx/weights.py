"""Functions of stored weights: recipes, so that nothing is read while a graph is followed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from operator import add, mul, neg, sub, truediv
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import COMPUTABLE, MOVEMENTS, run
from cntgraph.adapters.onnx.values import Call, concrete, shape_of
from cntgraph.adapters.tracing import weight_arithmetic as weights
from cntgraph.adapters.tracing.weight_movement import looked_up, moved
from cntgraph.core.recipe import Recipe

#: Functions of weights that are no recipe are computed once, up to this many values.
_LARGEST_COMPUTED = 1 << 24
_FLOAT_TYPES = (1, 10, 11, 16)
_UNCHANGED = ("Identity", "Cast", "CastLike", "Dropout")
AsRecipe = Callable[[Any], Recipe]
_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe | None]] = {
    "Add": add, "Sub": sub, "Mul": mul, "Div": truediv, "MatMul": weights.matmul,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "Neg": neg, "Abs": abs, "Sqrt": Recipe.sqrt, "Reciprocal": weights.reciprocal,
}  # fmt: skip
_OVER_AXES: dict[str, Callable[..., Recipe]] = {
    "ReduceSum": weights.total, "ReduceMean": weights.mean, "ReduceL2": weights.norm,
    "ReduceSumSquare": lambda x, *over: weights.total(x.square(), *over),
}  # fmt: skip


def on_recipes(call: Call, as_recipe: AsRecipe) -> Any:
    """Return the recipe of an operation on parameters and constants, or several; None for none.

    Parameters
    ----------
    call : Call
        The operation; no nodes go into it.
    as_recipe : callable
        Turns a constant into a recipe.
    """
    operation, first = call.operation, call.inputs[0]
    if operation in _BINARY:
        return _BINARY[operation](*map(as_recipe, call.inputs))
    if operation == "DequantizeLinear":
        axis, block = int(call.get("axis", 1)), int(call.get("block_size", 0))
        return dequantized(as_recipe, first, call.inputs[1], call.input(2), axis, block)
    if operation == "Concat":
        return Recipe.concatenate(tuple(map(as_recipe, call.inputs)), call.get("axis"))
    if not isinstance(first, Recipe):
        return None
    if operation in _UNCHANGED:
        return None if operation == "Cast" and call.get("to") not in _FLOAT_TYPES else first
    if operation in _UNARY:
        return _UNARY[operation](first)
    return _moved(call, first) if operation in MOVEMENTS else _with_settings(call, first)


def _with_settings(call: Call, recipe: Recipe) -> Recipe | None:
    """Return a power, an entry or a sum over axes of a weight; another input says which."""
    operation = call.operation
    if operation == "Pow":
        exponent = concrete(call.inputs[1])
        return weights.power(recipe, exponent.item()) if exponent.size == 1 else None
    if operation == "Gather":
        return looked_up(recipe, int(call.get("axis", 0)), concrete(call.inputs[1]))
    if operation not in _OVER_AXES:
        return None
    axes = call.constant(1, "axes")
    if axes is None and call.get("noop_with_empty_axes", 0):
        return None
    over = None if axes is None else np.ravel(axes).tolist()
    return _OVER_AXES[operation](recipe, over, bool(call.get("keepdims", 1)))


def _moved(call: Call, recipe: Recipe) -> Any:
    how = [None if value is None else concrete(value) for value in call.inputs[1:]]
    return moved(recipe, lambda array: run(call, [array, *how], 2 * prod(recipe.shape)))


def dequantized(
    as_recipe: AsRecipe, value: Any, scale: Any, zero: Any, axis: int, block: int = 0
) -> Recipe:
    """Return (x − zero point) · scale: by tensor, along an axis, or in blocks along it.

    Scale and zero point may be missing.
    """
    x = as_recipe(value)
    if zero is not None and not (isinstance(zero, np.ndarray) and not zero.any()):
        x = x - along(as_recipe(zero), x.shape, axis, block)
    return x if scale is None else x * along(as_recipe(scale), x.shape, axis, block)


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
