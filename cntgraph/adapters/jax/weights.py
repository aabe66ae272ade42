"""Operations on parameters and constants alone, as recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.numeric import axes_of
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.rows import rows_of
from cntgraph.adapters.jax.values import Weight, scalar_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array

_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "add": lambda a, b: a + b, "add_any": lambda a, b: a + b, "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "neg": lambda a: -a, "abs": abs, "sqrt": Recipe.sqrt, "square": Recipe.square,
    "rsqrt": lambda a: Recipe.constant(1.0) / a.sqrt(), "convert_element_type": lambda a: a,
    "copy": lambda a: a,
}  # fmt: skip

#: Products of weights of more values than these are computed once, when a model is loaded.
_LARGEST_PRODUCT = 1 << 24

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
    arguments : sequence of Weight

    Returns
    -------
    Weight
    """
    shape = np.broadcast_shapes(*(w.shape for w in arguments))
    recipes = [_padded(w.recipe, len(shape)) for w in arguments]
    made = _UNARY[name](*recipes) if name in _UNARY else _BINARY[name](*recipes)
    return Weight(_padded(made, len(shape)), shape)


def _padded(recipe: Recipe, ndim: int) -> Recipe:
    return recipe.reshape((1,) * (ndim - len(recipe.shape)) + recipe.shape)


def compute(op: Op, arguments: Sequence[Any], constant: AsRecipe) -> list[Any] | None:
    """Return what an operation on weights and constants yields, or None if it is no recipe.

    Parameters
    ----------
    op : Op
    arguments : sequence
        `Weight` or arrays; at least one weight.
    constant : callable
        Turns a constant into a recipe.

    Returns
    -------
    list of Weight, or None
    """
    if op.name in _BINARY or op.name in _UNARY:
        return [arithmetic(op.name, [as_weight(value, constant) for value in arguments])]
    if op.name == "integer_pow":
        return _power(op, arguments[0])
    if op.name == "select_n":
        chosen = scalar_of(arguments[0])
        return None if chosen is None else [arguments[1 + int(chosen)]]
    if op.name == "dot_general":
        return _product(op, *(as_weight(value, constant) for value in arguments))
    if op.name == "reduce_sum":
        return _sum(op, arguments[0])
    if op.name == "concatenate":
        return _concatenate(op, [as_weight(value, constant) for value in arguments])
    handler = _MOVEMENTS.get(op.name)
    moved_by = [value for value in arguments[1:] if isinstance(value, Weight)]
    if handler is None or moved_by or not isinstance(arguments[0], Weight):
        return None
    return handler(op, *arguments)


def _power(op: Op, w: Weight) -> list[Any] | None:
    y = int(op.params["y"])
    if not 1 <= abs(y) <= 4:
        return None
    made = w.recipe
    for _ in range(abs(y) - 1):
        made = made * w.recipe
    return [Weight(made if y > 0 else Recipe.constant(1.0) / made, w.shape)]


def _sum(op: Op, w: Weight) -> list[Any]:
    axes = axes_of(op.params)
    total = w.recipe.sum(axes)
    repeated = prod(w.shape[axis] // w.recipe.shape[axis] for axis in axes)
    total = total * float(repeated) if repeated != 1 else total
    kept = [axis for axis in range(len(w.shape)) if axis not in axes]
    shape = tuple(w.shape[axis] for axis in kept)
    return [Weight(total.reshape(tuple(total.shape[axis] for axis in kept)), shape)]


def _product(op: Op, left: Weight, right: Weight) -> list[Any] | None:
    """Return a product of weights (a low-rank update, a norm), if it is small."""
    (summed, also), (shared, too) = op.params["dimension_numbers"]
    own = [[k for k in range(len(w.shape)) if k not in (*s, *b)]
           for w, s, b in ((left, summed, shared), (right, also, too))]  # fmt: skip
    n_shared, n, m, k = len(shared), len(own[0]), len(own[1]), len(summed)
    a = left.recipe.transpose((*shared, *own[0], *summed))
    b = right.recipe.transpose((*too, *own[1], *also))
    a = a.reshape((*a.shape[: n_shared + n], *(1,) * m, *a.shape[n_shared + n :]))
    b = b.reshape((*b.shape[:n_shared], *(1,) * n, *b.shape[n_shared:]))
    sizes = [left.shape[axis] for axis in summed]
    if prod(op.outputs[0].shape) * prod(sizes) > _LARGEST_PRODUCT:
        return None
    total = (a * b).sum(tuple(range(n_shared + n + m, n_shared + n + m + k)))
    once = prod(size // max(x, y) for size, x, y in zip(sizes, a.shape[-k:], b.shape[-k:],
                                                         strict=True)) if k else 1  # fmt: skip
    total = total * float(once) if once != 1 else total
    return [Weight(total.reshape(total.shape[: n_shared + n + m]), op.outputs[0].shape)]


def _concatenate(op: Op, parts: list[Weight]) -> list[Any]:
    axis = op.params["dimension"]
    ndim = len(parts[0].shape)
    wide = [whole(part, [k for k in range(ndim)
                         if k == axis or any(p.recipe.shape[k] > 1 for p in parts)])
            for part in parts]  # fmt: skip
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    joined = Recipe.concatenate(tuple(part.recipe for part in wide), axis)
    return [Weight(joined, tuple(shape))]


def whole(w: Weight, axes: Sequence[int]) -> Weight:
    """Return the same weight, no longer repeated along `axes`."""
    recipe = w.recipe
    for axis in axes:
        if recipe.shape[axis] != w.shape[axis]:
            recipe = recipe.gather(axis, np.zeros(w.shape[axis], np.int64))
    return Weight(recipe, w.shape)


# -- movement --------------------------------------------------------------------------------


def _reshape(op: Op, w: Weight) -> list[Any]:
    shape = tuple(op.params["new_sizes"])
    return [reshaped(w, shape)]


def reshaped(w: Weight, shape: tuple[int, ...]) -> Weight:
    """Return a weight in another shape; what is repeated stays so where it can."""
    old = [axis for axis, n in enumerate(w.shape) if n != 1]
    new = [axis for axis, n in enumerate(shape) if n != 1]
    if [w.shape[k] for k in old] == [shape[k] for k in new]:  # only axes of length one differ
        sizes = [1] * len(shape)
        for a, b in zip(old, new, strict=True):
            sizes[b] = w.recipe.shape[a]
        return Weight(w.recipe.reshape(tuple(sizes)), shape)
    return Weight(whole(w, range(len(w.shape))).recipe.reshape(shape), shape)


def _transpose(op: Op, w: Weight) -> list[Any]:
    axes = tuple(int(axis) for axis in op.params["permutation"])
    return [Weight(w.recipe.transpose(axes), tuple(w.shape[axis] for axis in axes))]


def _broadcast(op: Op, w: Weight, *_: Any) -> list[Any]:
    shape = tuple(op.params["shape"])
    sizes = [1] * len(shape)
    for axis, size in zip(op.params["broadcast_dimensions"], w.recipe.shape, strict=True):
        sizes[axis] = size
    return [Weight(w.recipe.reshape(tuple(sizes)), shape)]


def _squeeze(op: Op, w: Weight) -> list[Any]:
    gone = {int(axis) % len(w.shape) for axis in op.params["dimensions"]}
    return [reshaped(w, tuple(n for axis, n in enumerate(w.shape) if axis not in gone))]


def _by_places(op: Op, w: Weight, *others: Any) -> list[Any]:
    """Carry out a movement that picks entries along single axes, found out on their places."""
    moved = [movement.move(op, [_places(w.shape, axis), *others]) for axis in range(len(w.shape))]
    results = []
    for outputs in zip(*moved, strict=True):
        recipe, shape = w.recipe, outputs[0].shape
        for axis, places in enumerate(outputs):
            if recipe.shape[axis] > 1 and places.size:
                first = tuple(slice(None) if k == axis else 0 for k in range(len(shape)))
                recipe = recipe.gather(axis, places[first])
        results.append(Weight(recipe, shape) if 0 not in shape else Weight.of(_nothing(shape)))
    return results


def _nothing(shape: tuple[int, ...]) -> Recipe:
    return Recipe.constant(np.zeros(shape))


def _places(shape: tuple[int, ...], axis: int) -> Array:
    """Return the place of every entry along an axis."""
    along = [1] * len(shape)
    along[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis]).reshape(along), shape)


def _gather(op: Op, w: Weight, indices: Array) -> list[Any] | None:
    """Pick rows along one axis by constant indices, as an embedding of positions does."""
    picked = rows_of(op, w.shape)
    if picked is None or not isinstance(indices, np.ndarray):
        return None
    positions = indices.shape[:-1]
    rows = indices[..., picked.component].reshape(-1).astype(np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= w.shape[picked.axis]):
        return None
    recipe = picked.axis_first(whole(w, range(len(w.shape))).recipe).gather(0, rows)
    recipe = recipe.reshape((*positions, *picked.features(recipe.shape[1:])))
    axes = range(len(recipe.shape))
    order = [axis for axis in axes if axis not in picked.offsets]
    places = dict(zip([*order, *picked.offsets], axes, strict=True))
    return [Weight.of(recipe.transpose(tuple(places[axis] for axis in axes)))]


_MOVEMENTS: dict[str, Callable[..., list[Any] | None]] = {
    "reshape": _reshape, "transpose": _transpose, "broadcast_in_dim": _broadcast,
    "squeeze": _squeeze, "slice": _by_places, "dynamic_slice": _by_places, "rev": _by_places,
    "split": _by_places, "tile": _by_places, "gather": _gather,
}  # fmt: skip
