"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, mul, neg, sub, truediv
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.moves import INDICES, MOVES, UNCHANGED, carry_out
from cntgraph.adapters.keras.values import Arguments, Weights, as_array, is_constant
from cntgraph.adapters.tracing import weight_arithmetic as weights
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.weight_movement import looked_up, moved, repeated
from cntgraph.core.recipe import Recipe

_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe | None]] = {
    "Add": add, "Subtract": sub, "Multiply": mul, "Divide": truediv, "TrueDivide": truediv,
    "Matmul": weights.matmul,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "Absolute": abs, "Negative": neg, "Reciprocal": weights.reciprocal, "Rsqrt": weights.rsqrt,
    "Sqrt": Recipe.sqrt, "Square": Recipe.square,
}  # fmt: skip
_OVER_AXES: dict[str, Callable[..., Recipe]] = {
    "Mean": weights.mean, "Std": lambda *over: weights.variance(*over).sqrt(),
    "Sum": weights.total, "Var": weights.variance,
}  # fmt: skip


def recipe_of_operation(t: Tracer, operation: Any, a: Arguments) -> Any:
    """Return what an operation on parameters and constants yields, or None if it is not known.

    Parameters
    ----------
    t : Tracer
        Turns constants into recipes.
    operation : keras.Operation
        The operation, with its options.
    a : dict
        Its arguments by name.
    """
    operands = [leaf for leaf in keras.tree.flatten(a) if isinstance(leaf, Weights)]
    if not operands:
        return None
    kind, first = type(operation).__name__, operands[0]
    if kind in UNCHANGED:
        return first
    found = _computed(t, kind, operation, a)
    if found is not None:
        return Weights(found, first.dtype)
    return _moved(kind, operation, a, first) if len(operands) == 1 else None


def _computed(t: Tracer, kind: str, operation: Any, a: Arguments) -> Recipe | None:
    if kind in _BINARY:
        return _BINARY[kind](t.recipe(a["x1"]), t.recipe(a["x2"]))
    if kind in _UNARY:
        return _UNARY[kind](a["x"].recipe)
    if kind in _OVER_AXES:
        return _OVER_AXES[kind](a["x"].recipe, operation.axis, operation.keepdims)
    if kind == "Power" and is_constant(a["x2"]) and np.size(as_array(a["x2"])) == 1:
        return weights.power(a["x1"].recipe, as_array(a["x2"]).item())
    if kind == "Concatenate":
        return Recipe.concatenate(tuple(map(t.recipe, a["xs"])), operation.axis)
    return None


def _moved(kind: str, operation: Any, a: Arguments, of: Weights) -> Any:
    if kind == "Take" and operation.axis is not None and is_constant(a["indices"]):
        indices = as_array(a["indices"]).astype(np.int64)
        return Weights(looked_up(of.recipe, operation.axis, indices), of.dtype)
    beside = keras.tree.flatten([a[key] for key in a if key not in INDICES])
    if kind not in MOVES or any(
        keras.ops.is_tensor(leaf) or isinstance(leaf, np.ndarray) for leaf in beside
    ):
        return None  # no movement, or one that brings in values that are no weights

    def move(array: Any) -> Any:
        return carry_out(operation, a, lambda leaf: array if leaf is of else leaf)

    return moved(of.recipe, move, lambda recipe, shape: Weights(repeated(recipe, shape), of.dtype))
