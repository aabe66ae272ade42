"""Functions of stored weights: recipes, so that nothing is read while a graph is followed."""

from __future__ import annotations

from collections.abc import Callable, Set
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import COMPUTABLE, MOVEMENTS, refuse_above, run
from cntgraph.adapters.onnx.values import Call, concrete, shape_of
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import OF_TWO
from cntgraph.core.recipe.movement import looked_up, moved, moved_together, padded

#: Functions of weights that are no recipe are computed once, up to this many values.
_LARGEST_COMPUTED = 1 << 24
_FLOAT_TYPES = (1, 10, 11, 16)
_UNCHANGED = ("Identity", "Cast", "CastLike", "Dropout")
AsRecipe = Callable[[Any], Recipe]
#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = frozenset(
    "Abs Add Div Einsum Gemm MatMul Mul Neg Pow Reciprocal ReduceL2 ReduceMean ReduceSum "
    "ReduceSumSquare Sqrt Sub".split()
)
_COMPARISONS = {
    "Equal": "eq", "Greater": "gt", "GreaterOrEqual": "ge", "Less": "lt", "LessOrEqual": "le",
}  # fmt: skip


def is_followed(call: Call, known: Set[str]) -> bool:
    """Whether the handler of an operation makes weights of these weights, if it does of any."""
    if call.operation in ("LogSoftmax", "Softmax") and call.opset < 13:
        return False  # it was over all axes from one on
    return call.operation in (known if any(map(is_learned, call.inputs)) else _OF_BUFFERS)


def on_recipes(t: Tracer, call: Call) -> Any:
    """Return the recipe of a movement or a choice of weights, or several; None for none.

    Parameters
    ----------
    call : Call
        The operation; no nodes go into it.
    """
    operation, first = call.operation, call.inputs[0]
    if operation == "DequantizeLinear":
        axis, block = int(call.get("axis", 1)), int(call.get("block_size", 0))
        return dequantized(t.recipe, first, call.inputs[1], call.input(2), axis, block)
    if operation == "Concat":
        return Recipe.concatenate(tuple(map(t.recipe, call.inputs)), call.get("axis"))
    if any(map(is_learned, call.inputs)) and operation in _OF_LEARNED:
        return _OF_LEARNED[operation](t, call)
    if not isinstance(first, Recipe):
        return None
    if operation in _UNCHANGED:
        return None if operation == "Cast" and call.get("to") not in _FLOAT_TYPES else first
    if operation == "Gather":
        return looked_up(first, int(call.get("axis", 0)), concrete(call.inputs[1]))
    return _moved(call, first) if operation in MOVEMENTS else None


def _moved(call: Call, recipe: Recipe) -> Any:
    how = [None if value is None else concrete(value) for value in call.inputs[1:]]
    return moved(recipe, lambda array: run(call, [array, *how], 2 * prod(recipe.shape)))


def _padded(t: Tracer, call: Call) -> Recipe | None:
    x, value = t.recipe(call.inputs[0]), call.input(2)
    pads = np.asarray(call.constant(1, "pads" if "pads" in call.attributes else "paddings"))
    axes = range(len(x.shape)) if call.input(3) is None else np.ravel(concrete(call.inputs[3]))
    widths = np.zeros((len(x.shape), 2), np.int64)
    widths[list(axes)] = pads.reshape(2, -1).T
    fill = call.get("value", 0.0) if value is None else concrete(value).reshape(-1)[0]
    refuse_above(prod((widths.clip(0).sum(1) + x.shape).tolist()), call)
    return padded(x, widths.tolist(), float(fill), call.get("mode", "constant"))


def _scattered(t: Tracer, call: Call) -> Recipe | None:
    if call.get("reduction", "none") != "none":
        return None
    data, how, updates = call.inputs[:3]

    def move(places: list[Any]) -> Any:
        return run(call, [places[0], concrete(how), places[1]])[0]

    return moved_together([t.recipe(data), t.recipe(updates)], move)


def _triangle(t: Tracer, call: Call) -> Any:
    k, upper = call.input(1), bool(call.get("upper", 1))
    rows, columns = call.inputs[0].shape[-2:]
    kept = np.tri(rows, columns, (0 if k is None else int(concrete(k))) - upper, dtype=bool)
    return arithmetic.select(t, kept ^ upper, (call.inputs[0], 0.0), call.name)


def _compared(t: Tracer, call: Call) -> Recipe:
    return OF_TWO[_COMPARISONS[call.operation]](*map(t.recipe, call.inputs))


#: What becomes of weights of which some are learned.
_OF_LEARNED: dict[str, Callable[[Tracer, Call], Any]] = {
    "Pad": _padded, "ScatterElements": _scattered, "ScatterND": _scattered, "Trilu": _triangle,
    "Where": lambda t, call: arithmetic.select(t, call.inputs[0], call.inputs[1:], call.name),
    **dict.fromkeys(_COMPARISONS, _compared),
}  # fmt: skip


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
