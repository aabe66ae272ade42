"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.handlers import OPERATIONS
from cntgraph.adapters.keras.moves import INDICES, MOVES, UNCHANGED, carry_out
from cntgraph.adapters.keras.values import Arguments, Weights, as_array, is_constant
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import OF_TWO
from cntgraph.core.recipe.movement import looked_up, moved, padded, repeated, stacked

#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = frozenset(
    "Absolute Add Divide Dot Einsum Inner Matmul Mean Multiply Negative Power Reciprocal Rsqrt "
    "Sqrt Square Std Subtract Sum Tensordot TrueDivide Var".split()
)
_COMPARISONS = {
    "Equal": "eq", "Greater": "gt", "GreaterEqual": "ge", "Less": "lt", "LessEqual": "le",
    "NotEqual": "ne",
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
    learned = any(map(is_learned, operands))
    if kind in (OPERATIONS.of_weights if learned else _OF_BUFFERS):
        found = OPERATIONS.get(kind)(t, operation, a)  # type: ignore[misc]
        found = None if found is NotImplemented else found
        return keras.tree.map_structure(lambda made: _weights(made, first.dtype), found)
    made = _of_learned(t, kind, operation, a) if learned or kind == "Concatenate" else None
    if made is not None:
        return Weights(made, first.dtype)
    return _moved(kind, operation, a, first) if len(operands) == 1 else None


def _weights(made: Any, dtype: str) -> Any:
    return Weights(made, dtype) if isinstance(made, Recipe) else made


def _of_learned(t: Tracer, kind: str, operation: Any, a: Arguments) -> Recipe | None:
    """Return what joins weights, compares them, or puts some in the place of others."""
    if kind in _COMPARISONS:
        return OF_TWO[_COMPARISONS[kind]](t.recipe(a["x1"]), t.recipe(a["x2"]))
    if kind == "Where":
        made: Recipe = arithmetic.select(t, a["condition"], (a["x1"], a["x2"]), kind)
        return made
    if kind in ("Concatenate", "Stack"):
        parts = tuple(map(t.recipe, a["xs" if kind == "Concatenate" else "x"]))
        join = Recipe.concatenate if kind == "Concatenate" else stacked
        return join(parts, operation.axis)
    if kind == "Pad":
        widths = [tuple(map(int, pair)) for pair in operation.pad_width]
        widths = widths * len(a["x"].shape) if len(widths) == 1 else widths
        fill = float(as_array(a.get("constant_values") or 0.0))
        return padded(a["x"].recipe, widths, fill, operation.mode)
    if kind in ("Tril", "Triu"):
        rows, columns = a["x"].shape[-2:]
        kept = np.tri(rows, columns, operation.k - (kind == "Triu"), dtype=bool) ^ (kind == "Triu")
        made = arithmetic.select(t, kept, (a["x"], 0.0), kind)
        return made
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
