"""Operations on parameters alone, as recipes: a weight may be reshaped or scaled before use."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.moves import MOVES
from cntgraph.adapters.keras.values import Arguments, Weights, as_array, is_constant, leaves
from cntgraph.core.recipe import Recipe

_UNCHANGED = frozenset(("Cast", "ConvertToTensor", "Copy", "SaturateCast", "StopGradient"))
_SAME_ORDER = frozenset(("ExpandDims", "Ravel", "Reshape", "Squeeze"))
_PERMUTATIONS = frozenset(("Moveaxis", "Swapaxes", "Transpose"))
_BINARY = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide",
           "TrueDivide": "divide"}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "Absolute": Recipe.__abs__, "Negative": Recipe.__neg__, "Sqrt": Recipe.sqrt,
    "Square": Recipe.square,
}  # fmt: skip


def recipe_of_operation(kind: str, operation: Any, a: Arguments) -> Any:
    """Return what an operation on parameters and constants yields, or None if it is not known.

    Parameters
    ----------
    kind : str
        Name of the operation's class.
    operation : keras.Operation
        The operation, with its options.
    a : dict
        Its arguments by name.

    Returns
    -------
    Weights, a list of them, or None
    """
    operands = [leaf for leaf in leaves(a) if isinstance(leaf, Weights)]
    if not operands:
        return None
    first = operands[0]
    if kind in _UNCHANGED:
        return first
    found = _computed(kind, operation, a)
    if found is not None:
        return Weights(found, first.dtype)
    if len(operands) == 1:
        return _moved(kind, operation, a, first)
    if kind == "Concatenate" and len(operands) == len(a["xs"]):
        parts = tuple(operand.recipe for operand in operands)
        return Weights(Recipe.concatenate(parts, operation.axis), first.dtype)
    return None


def _computed(kind: str, operation: Any, a: Arguments) -> Recipe | None:
    if kind in _BINARY:
        sides = [_operand(a["x1"]), _operand(a["x2"])]
        if all(side is not None for side in sides):
            left, right = sides
            return left.binary(_BINARY[kind], right)  # type: ignore[union-attr,arg-type]
    if kind in _UNARY:
        return _UNARY[kind](a["x"].recipe)
    if kind == "Sum":
        return _summed(a["x"].recipe, operation.axis, operation.keepdims)
    return None


def _summed(recipe: Recipe, axis: Any, keep: bool) -> Recipe:
    ndim = len(recipe.shape)
    axes = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    summed = recipe.sum(tuple(axes))
    gone = {int(k) % ndim for k in axes}
    return summed if keep else summed.reshape(
        tuple(n for k, n in enumerate(summed.shape) if k not in gone)
    )  # fmt: skip


def _operand(value: Any) -> Recipe | None:
    if isinstance(value, Weights):
        return value.recipe
    if is_constant(value):
        return Recipe.constant(as_array(value).astype(np.float64))
    return None


def _moved(kind: str, operation: Any, a: Arguments, weights: Weights) -> Any:
    """Return a movement: found out by carrying it out on the positions of the values."""
    if kind not in MOVES:
        return None
    recipe, shape = weights.recipe, weights.recipe.shape
    if kind == "Take" and operation.axis is not None and is_constant(a["indices"]):
        return _taken(weights, operation.axis, as_array(a["indices"]).astype(np.int64))

    def move(array: Any) -> Any:
        values = {key: array if value is weights else as_array(value)
                  if keras.ops.is_tensor(value) else value for key, value in a.items()}  # fmt: skip
        return MOVES[kind](operation, values)

    if kind in _PERMUTATIONS:
        # Sizes that name the axes: the result's shape is the permutation.
        named = np.empty(tuple(range(2, len(shape) + 2)), dtype=np.int8)
        return Weights(recipe.transpose(tuple(n - 2 for n in move(named).shape)), weights.dtype)
    moved = move(np.arange(prod(shape)).reshape(shape))
    if isinstance(moved, list):
        return [_picked(weights, part) for part in moved]
    if kind in _SAME_ORDER:
        return Weights(recipe.reshape(moved.shape), weights.dtype)
    return _picked(weights, moved)


def _taken(weights: Weights, axis: int, indices: Any) -> Weights:
    """Return entries along an axis by constant indices of any shape."""
    shape, axis = weights.recipe.shape, axis % len(weights.recipe.shape)
    picked = weights.recipe.gather(axis, indices.reshape(-1) % shape[axis])
    return Weights(picked.reshape((*shape[:axis], *indices.shape, *shape[axis + 1 :])))


def _picked(weights: Weights, places: Any) -> Weights:
    """Return the values that lie at some places of a parameter in C order."""
    flat = weights.recipe.reshape((-1,)).gather(0, np.ascontiguousarray(places).reshape(-1))
    return Weights(flat.reshape(places.shape), weights.dtype)
