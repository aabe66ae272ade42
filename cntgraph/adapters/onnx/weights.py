"""Functions of stored weights: recipes, so that nothing is read while a graph is followed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.layout import RESHAPING, new_shape
from cntgraph.adapters.onnx.reference import COMPUTABLE, run
from cntgraph.adapters.onnx.values import Call, concrete
from cntgraph.core.recipe import Recipe

#: Functions of weights that are no recipe are computed once, up to this many values.
_LARGEST_COMPUTED = 1 << 24
_FLOAT_TYPES = (1, 10, 11, 16)
_SUMS = ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2")

AsRecipe = Callable[[Any], Recipe]
_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b, "Div": lambda a, b: a / b,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "Neg": lambda a: -a, "Abs": abs, "Sqrt": Recipe.sqrt,
    "Reciprocal": lambda a: Recipe.constant(1.0) / a,
}  # fmt: skip


def on_recipes(call: Call, as_recipe: AsRecipe) -> list[Any] | None:
    """Return the recipes of an operation on parameters and constants.

    Parameters
    ----------
    call : Call
        The operation; no nodes go into it.
    as_recipe : callable
        Turns a constant into a recipe.

    Returns
    -------
    list of Recipe, or None if what it computes is not had by recipes
    """
    operation, first = call.operation, call.inputs[0]
    if operation in _BINARY:
        return [_BINARY[operation](*(as_recipe(value) for value in call.inputs))]
    if operation == "DequantizeLinear":
        return [dequantized(call, as_recipe)]
    if operation == "Concat":
        parts = tuple(as_recipe(value) for value in call.inputs)
        return [Recipe.concatenate(parts, call.get("axis"))]
    if not isinstance(first, Recipe):
        return None
    if operation in _UNARY:
        return [_UNARY[operation](first)]
    if operation in _SUMS:
        return _sum(call, first)
    if operation in RESHAPING:
        return [first.reshape(new_shape(call, first.shape))]
    handler = _MOVEMENTS.get(operation)
    return None if handler is None else handler(call, first)


def _unchanged(call: Call, recipe: Recipe) -> list[Any] | None:
    if call.operation == "Cast" and call.get("to") not in _FLOAT_TYPES:
        return None
    return [recipe] + [None] * (len(call.node.output) - 1)


def _transposed(call: Call, recipe: Recipe) -> list[Any]:
    return [recipe.transpose(tuple(call.get("perm") or range(len(recipe.shape))[::-1]))]


def _sliced(call: Call, recipe: Recipe) -> list[Any] | None:
    starts, ends, axes, steps = (
        call.constant(k, name) for k, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = recipe.shape[int(axis)]
        if step > 0:
            recipe = recipe.take(int(axis), int(start), int(end), int(step))
        else:
            recipe = recipe.gather(int(axis), np.arange(n)[int(start) : int(end) : int(step)])
    return [recipe]


def _split(call: Call, recipe: Recipe) -> list[Any]:
    axis = int(call.get("axis", 0)) % len(recipe.shape)
    places = np.arange(recipe.shape[axis])
    parts = run(_along_first(call), [places, *call.inputs[1:]])
    ends = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return [recipe.take(axis, a, b) for a, b in pairwise(ends)]


def _along_first(call: Call) -> Call:
    return Call(
        call.node, call.inputs, call.name, call.opset, {**call.attributes, "axis": 0}
    )  # fmt: skip


def _gathered(call: Call, recipe: Recipe) -> list[Any] | None:
    """Return entries of a parameter along an axis, such as the embeddings of fixed positions."""
    axis, index = int(call.get("axis", 0)) % len(recipe.shape), concrete(call.inputs[1])
    n = recipe.shape[axis]
    shape = (*recipe.shape[:axis], *index.shape, *recipe.shape[axis + 1 :])
    places = np.where(index < 0, index + n, index).reshape(-1)
    return [recipe.gather(axis, places).reshape(shape)]


def _expanded(call: Call, recipe: Recipe) -> list[Any]:
    wanted = tuple(int(n) for n in np.ravel(concrete(call.inputs[1])))
    return [expanded(recipe, np.broadcast_shapes(recipe.shape, wanted))]


def expanded(recipe: Recipe, shape: tuple[int, ...]) -> Recipe:
    """Return a recipe whose value is repeated to a shape, along axes of length one."""
    recipe = recipe.reshape((1,) * (len(shape) - len(recipe.shape)) + recipe.shape)
    for axis, (ours, wanted) in enumerate(zip(recipe.shape, shape, strict=True)):
        if ours != wanted:
            recipe = recipe.gather(axis, np.zeros(wanted, np.int64))
    return recipe


def _tiled(call: Call, recipe: Recipe) -> list[Any]:
    for axis, times in enumerate(np.ravel(concrete(call.inputs[1])).tolist()):
        if times != 1:
            (places,) = run(call, [np.arange(recipe.shape[axis]), np.array([times])])
            recipe = recipe.gather(axis, places)
    return [recipe]


def _power(call: Call, recipe: Recipe) -> list[Any] | None:
    exponent = concrete(call.inputs[1])
    if exponent.size != 1 or float(exponent.reshape(())) not in (0.5, 2.0):
        return None
    return [recipe.square() if exponent == 2.0 else recipe.sqrt()]


def _sum(call: Call, recipe: Recipe) -> list[Any] | None:
    axes = call.constant(1, "axes")
    if axes is None and call.get("noop_with_empty_axes", 0):
        return None
    rank = len(recipe.shape)
    over = tuple(range(rank)) if axes is None else tuple(int(a) % rank for a in np.ravel(axes))
    squares = call.operation in ("ReduceSumSquare", "ReduceL2")
    total = (recipe.square() if squares else recipe).sum(over)
    if call.operation == "ReduceMean":
        total = total / float(prod(recipe.shape[axis] for axis in over))
    elif call.operation == "ReduceL2":
        total = total.sqrt()
    if not call.get("keepdims", 1):
        total = total.reshape(tuple(n for k, n in enumerate(recipe.shape) if k not in over))
    return [total]


_MOVEMENTS: dict[str, Callable[[Call, Recipe], list[Any] | None]] = {
    "Identity": _unchanged, "Cast": _unchanged, "CastLike": _unchanged, "Dropout": _unchanged,
    "Transpose": _transposed, "Slice": _sliced, "Split": _split, "Gather": _gathered,
    "Expand": _expanded, "Tile": _tiled, "Pow": _power,
}  # fmt: skip


def dequantized(call: Call, as_recipe: AsRecipe) -> Recipe:
    """Return (x − zero point) · scale: by tensor, along an axis, or in blocks along it."""
    x, scale = (as_recipe(value) for value in call.inputs[:2])
    axis, block, zero = int(call.get("axis", 1)), int(call.get("block_size", 0)), call.input(2)
    if zero is not None and not (isinstance(zero, np.ndarray) and not zero.any()):
        x = x - along(as_recipe(zero), x.shape, axis, block)
    return x * along(scale, x.shape, axis, block)


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

    Returns
    -------
    Recipe
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
    sizes = [prod(np.shape(v) if v is not None else ()) for v in call.inputs]
    if call.operation not in COMPUTABLE or sum(sizes) > _LARGEST_COMPUTED:
        return None
    return run(call, [None if value is None else _as_stored(value) for value in call.inputs])


def _as_stored(value: Any) -> Any:
    """Return values in single precision, unless parameters are stored in double."""
    array = concrete(value)
    double = not isinstance(value, Recipe) or any(p.dtype == "float64" for p in value.parameters())
    return array if double or array.dtype != np.float64 else array.astype(np.float32)
