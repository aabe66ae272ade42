"""Operations on parameters and constants alone, as recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.numeric import ELEMENTWISE, axes_of
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import Weight, scalar_of
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as recipes
from cntgraph.core.recipe.functions import FUNCTIONS, OF_TWO, clamped, power
from cntgraph.core.recipe.movement import moved, moved_together, repeated, stacked
from cntgraph.core.types import Array
from cntgraph.network.activations import activation_name

#: What JAX calls otherwise than `OF_TWO`.
_OF_TWO = OF_TWO | {"add_any": OF_TWO["add"]}
#: Elementwise operations that make weights of any; the others do if some are learned: of constants
#: alone the values are taken.
_ARITHMETIC = frozenset(
    "abs add add_any convert_element_type copy div mul neg rsqrt sqrt square sub".split()
)
_SAME = ("convert_element_type", "copy")
#: Movements that put weights into the place of others.
_TOGETHER = ("dynamic_update_slice", "pad", "scatter")
_LARGEST: dict[str, Callable[..., Recipe]] = {
    "reduce_max": recipes.largest, "reduce_min": recipes.smallest,
}  # fmt: skip

#: Turns a constant into a recipe.
AsRecipe = Callable[[Array], Recipe]


def as_weight(value: Weight | Array, constant: AsRecipe) -> Weight:
    """Return a constant as a function of (no) parameters; repeated axes are not stored."""
    if isinstance(value, Weight):
        return value
    array = np.asarray(value)
    array = array.astype(np.float32) if array.dtype.kind == "b" else array
    repeated = tuple(
        slice(0, 1) if n > 1 and (stride == 0 or _alike(array, axis)) else slice(None)
        for axis, (n, stride) in enumerate(zip(array.shape, array.strides, strict=True))
    )
    return Weight(constant(array[repeated]), array.shape)


def _alike(array: Array, axis: int) -> bool:
    first = array.take([0], axis)
    return bool((array == first).all())


def arithmetic(name: str, arguments: Sequence[Weight]) -> Weight:
    """Return an elementwise operation of weights, by JAX's name for it.

    Raises
    ------
    NotFollowed
        If it is no recipe.
    """
    shape = np.broadcast_shapes(*(w.shape for w in arguments))
    operands = [w.recipe.of_rank(len(shape)) for w in arguments]
    if name in _OF_TWO:
        made = _OF_TWO[name](*operands)
    elif name == "select_n":
        which, *cases = operands
        if len(cases) != 2:
            raise NotFollowed("a choice among several")
        made = which.where(cases[1], cases[0])
    elif name == "clamp":
        low, x, high = operands
        made = clamped(x, low, high)
    else:
        made = _of_one(name, *operands)
    return Weight(made.of_rank(len(shape)), shape)


def _of_one(name: str, x: Recipe) -> Recipe:
    if name in ("neg", "is_finite", *_SAME):
        return -x if name == "neg" else OF_TWO["eq"](x, x) if name == "is_finite" else x
    function = FUNCTIONS.get(activation_name(name))
    if function is None:
        raise NotFollowed(f"{name} of weights")
    return function(x)


def compute(op: Op, arguments: Sequence[Any], constant: AsRecipe) -> list[Any] | None:
    """Return what an operation on weights and constants yields, or None if it is no recipe.

    Parameters
    ----------
    arguments : sequence
        `Weight` or arrays; at least one weight.
    constant : callable
        Turns a constant into a recipe.
    """
    chosen = scalar_of(arguments[0]) if op.name == "select_n" else None
    if chosen is not None:
        return [arguments[1 + int(chosen)]]
    learned = any(is_learned(value) for value in arguments)
    if op.name in _ARITHMETIC or (learned and op.name in ELEMENTWISE - {"integer_pow"}):
        if op.params.get("rounding_method") == jax.lax.RoundingMethod.AWAY_FROM_ZERO:
            return None
        return [arithmetic(op.name, [as_weight(value, constant) for value in arguments])]
    if learned and op.name in _TOGETHER:
        return _moved_together(op, arguments, constant)
    if op.name in _OF_SEVERAL:
        return _OF_SEVERAL[op.name](op, *(as_weight(value, constant) for value in arguments))
    w, *others = arguments
    if not isinstance(w, Weight) or any(isinstance(value, Weight) for value in others):
        return None
    rule: Rule = _OF_ONE.get(op.name, _moved)
    return rule(op, w, *others)


def _power(op: Op, w: Weight) -> list[Any]:
    return [Weight(power(w.recipe, int(op.params["y"])), w.shape)]


def _sum(op: Op, w: Weight) -> list[Any]:
    axes = axes_of(op.params)
    times = prod(w.shape[axis] // w.recipe.shape[axis] for axis in axes)
    shape = tuple(n for axis, n in enumerate(w.shape) if axis not in axes)
    return [Weight(_times(recipes.total(w.recipe, axes), times), shape)]


def _extreme(op: Op, w: Weight) -> list[Any]:
    axes = axes_of(op.params)
    shape = tuple(n for axis, n in enumerate(w.shape) if axis not in axes)
    return [Weight(_LARGEST[op.name](w.recipe, axes), shape)]


def _product(op: Op, left: Weight, right: Weight) -> list[Any]:
    """Return a product of weights: a low-rank update, a norm."""
    summed, shared = op.params["dimension_numbers"]
    total = recipes.contracted(left.recipe, right.recipe, summed, shared)
    times = prod(left.shape[a] // max(left.recipe.shape[a], right.recipe.shape[b])
                 for a, b in zip(*summed, strict=True))  # fmt: skip
    return [Weight(_times(total, times), op.outputs[0].shape)]


def _times(total: Recipe, n: int) -> Recipe:
    """Return a sum whose summands are repeated as often along the axes it is over."""
    return total if n == 1 else total * float(n)


def _joined(op: Op, *parts: Weight) -> list[Any]:
    wide = tuple(whole(part, range(len(part.shape))).recipe for part in parts)
    if op.name == "stack":
        return [Weight.of(stacked(wide, op.params["axis"]))]
    return [Weight.of(Recipe.concatenate(wide, op.params["dimension"]))]


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


def _moved_together(op: Op, arguments: Sequence[Any], constant: AsRecipe) -> list[Any] | None:
    data = sorted(movement.data_arguments(op))
    if any(isinstance(a, Weight) for k, a in enumerate(arguments) if k not in data):
        return None
    parts = [as_weight(arguments[k], constant) for k in data]

    def move(places: list[Array]) -> Array:
        given = list(arguments)
        for k, array in zip(data, places, strict=True):
            given[k] = array
        (made,) = movement.move_ids(op, given)
        return np.maximum(made, 0)

    wide = [whole(part, range(len(part.shape))).recipe for part in parts]
    made = moved_together(wide, move)
    return None if made is None else [Weight.of(made)]


Rule = Callable[..., list[Any] | None]
#: What becomes of several weights, and of one among constants; anything else moves it.
_OF_SEVERAL: dict[str, Rule] = {"dot_general": _product, "concatenate": _joined, "stack": _joined}
_OF_ONE: dict[str, Rule] = {
    "integer_pow": _power, "reduce_sum": _sum, **dict.fromkeys(_LARGEST, _extreme),
}  # fmt: skip
