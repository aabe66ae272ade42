"""Operations on parameters and constants alone, as recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from operator import add, mul, neg, sub, truediv
from typing import Any

import numpy as np

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.numeric import axes_of
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import Weight, scalar_of
from cntgraph.adapters.tracing import weight_arithmetic as recipes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.weight_movement import moved, repeated
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array

_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "add": add, "add_any": add, "sub": sub, "mul": mul, "div": truediv,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "neg": neg, "abs": abs, "sqrt": Recipe.sqrt, "square": Recipe.square, "rsqrt": recipes.rsqrt,
    "convert_element_type": lambda a: a, "copy": lambda a: a,
}  # fmt: skip

#: Turns a constant into a recipe.
AsRecipe = Callable[[Array], Recipe]


def as_weight(value: Weight | Array, constant: AsRecipe) -> Weight:
    """Return a constant as a function of (no) parameters; repeated axes are not stored."""
    if isinstance(value, Weight):
        return value
    array = np.asarray(value)
    repeated = tuple(
        slice(0, 1) if n > 1 and (stride == 0 or _alike(array, axis)) else slice(None)
        for axis, (n, stride) in enumerate(zip(array.shape, array.strides, strict=True))
    )
    return Weight(constant(array[repeated]), array.shape)


def _alike(array: Array, axis: int) -> bool:
    first = array.take([0], axis)
    return bool((array == first).all())


def arithmetic(name: str, arguments: Sequence[Weight]) -> Weight:
    """Return an elementwise operation of weights.

    Parameters
    ----------
    name : str
        One of add, sub, mul, div, neg, abs, sqrt, rsqrt, square.
    """
    shape = np.broadcast_shapes(*(w.shape for w in arguments))
    operands = [_padded(w.recipe, len(shape)) for w in arguments]
    made = _UNARY[name](*operands) if name in _UNARY else _BINARY[name](*operands)
    return Weight(_padded(made, len(shape)), shape)


def _padded(recipe: Recipe, ndim: int) -> Recipe:
    return recipe.reshape((1,) * (ndim - len(recipe.shape)) + recipe.shape)


def compute(op: Op, arguments: Sequence[Any], constant: AsRecipe) -> list[Any] | None:
    """Return what an operation on weights and constants yields, or None if it is no recipe.

    Parameters
    ----------
    arguments : sequence
        `Weight` or arrays; at least one weight.
    constant : callable
        Turns a constant into a recipe.
    """
    if op.name in _BINARY or op.name in _UNARY:
        return [arithmetic(op.name, [as_weight(value, constant) for value in arguments])]
    if op.name == "select_n":
        chosen = scalar_of(arguments[0])
        return None if chosen is None else [arguments[1 + int(chosen)]]
    if op.name in _OF_SEVERAL:
        return _OF_SEVERAL[op.name](op, *(as_weight(value, constant) for value in arguments))
    w, *others = arguments
    if not isinstance(w, Weight) or any(isinstance(value, Weight) for value in others):
        return None
    rule: Rule = _OF_ONE.get(op.name, _moved)
    return rule(op, w, *others)


def _power(op: Op, w: Weight) -> list[Any] | None:
    made = recipes.power(w.recipe, int(op.params["y"]))
    return None if made is None else [Weight(made, w.shape)]


def _sum(op: Op, w: Weight) -> list[Any]:
    axes = axes_of(op.params)
    times = prod(w.shape[axis] // w.recipe.shape[axis] for axis in axes)
    shape = tuple(n for axis, n in enumerate(w.shape) if axis not in axes)
    return [Weight(_times(recipes.total(w.recipe, axes), times), shape)]


def _product(op: Op, left: Weight, right: Weight) -> list[Any] | None:
    """Return a product of weights (a low-rank update, a norm), if it is small."""
    summed, shared = op.params["dimension_numbers"]
    total = recipes.contracted(left.recipe, right.recipe, summed, shared)
    if total is None:
        return None
    times = prod(left.shape[a] // max(left.recipe.shape[a], right.recipe.shape[b])
                 for a, b in zip(*summed, strict=True))  # fmt: skip
    return [Weight(_times(total, times), op.outputs[0].shape)]


def _times(total: Recipe, n: int) -> Recipe:
    """Return a sum whose summands are repeated as often along the axes it is over."""
    return total if n == 1 else total * float(n)


def _joined(op: Op, *parts: Weight) -> list[Any]:
    axis = op.params["axis" if op.name == "stack" else "dimension"]
    if op.name == "stack":
        parts = tuple(_with_axis(part, axis) for part in parts)
    ndim = len(parts[0].shape)
    wide = [whole(part, [k for k in range(ndim)
                         if k == axis or any(p.recipe.shape[k] > 1 for p in parts)])
            for part in parts]  # fmt: skip
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    joined = Recipe.concatenate(tuple(part.recipe for part in wide), axis)
    return [Weight(joined, tuple(shape))]


def _with_axis(w: Weight, axis: int) -> Weight:
    """Return a weight with an axis of length one more."""
    sizes, shown = ((*n[:axis], 1, *n[axis:]) for n in (w.recipe.shape, w.shape))
    return Weight(w.recipe.reshape(sizes), shown)


def whole(w: Weight, axes: Sequence[int]) -> Weight:
    """Return the same weight, no longer repeated along `axes`."""
    sizes = (w.shape[k] if k in axes else n for k, n in enumerate(w.recipe.shape))
    return Weight(repeated(w.recipe, tuple(sizes)), w.shape)


# -- movement --------------------------------------------------------------------------------


def _moved(op: Op, w: Weight, *others: Any) -> list[Any] | None:
    if op.name not in movement.MOVEMENTS or movement.data_arguments(op) != {0}:
        return None

    def move(array: Array) -> list[Array]:
        shown = movement.move_ids(op, [array, *others])
        if array.dtype == np.int64 and any((places < 0).any() for places in shown):
            raise NotFollowed("an index is out of bounds")
        return shown

    try:
        made: list[Any] | None = moved(w.recipe, move, Weight, w.shape)
    except NotFollowed:
        return None
    return made


Rule = Callable[..., list[Any] | None]
#: What becomes of several weights, and of one among constants; anything else moves it.
_OF_SEVERAL: dict[str, Rule] = {"dot_general": _product, "concatenate": _joined, "stack": _joined}
_OF_ONE: dict[str, Rule] = {"integer_pow": _power, "reduce_sum": _sum}
