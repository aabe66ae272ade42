"""Movement of weights: reshaped, permuted, cut, repeated, looked up, joined, as recipes.

What a movement does is found out by carrying it out, with the framework's own operator, on an
array of the weight's shape that nobody ever writes: of a view its strides tell what it shows, and
it takes no memory. Only what copies is carried out on the places of the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.core.recipe.recipe import Recipe
from cntgraph.core.types import Array

Shape = tuple[int, ...]

#: A weight of more values is not followed through a movement that copies.
_LARGEST_COPIED = 1 << 26
#: Weights of more values do not take the places of others: each place is written down.
_LARGEST_JOINED = 1 << 22


def repeated(recipe: Recipe, shape: Shape) -> Recipe:
    """Return a weight whose values are repeated to a shape, as `numpy.broadcast_to`."""
    recipe = recipe.of_rank(len(shape))
    for axis, (ours, wanted) in enumerate(zip(recipe.shape, shape, strict=True)):
        if ours != wanted:
            recipe = recipe.gather(axis, np.zeros(wanted, np.int64))
    return recipe


def once(recipe: Recipe) -> Recipe:
    """Return a weight without the repetitions along axes, which are of length one then."""
    while recipe.op == "gather" and recipe.args[0].shape[recipe.options["axis"]] == 1:
        recipe = recipe.args[0]
    return recipe


def looked_up(recipe: Recipe, axis: int, indices: Array) -> Recipe:
    """Return the entries of a weight along an axis, by indices of any shape.

    Parameters
    ----------
    indices : ndarray of int
        Negative ones count from the end. Their axes come in the place of the one they choose
        along.

    Examples
    --------
    >>> looked_up(Recipe.constant(np.array([[1.0, 2.0], [3.0, 4.0]])), 1, np.array(-1)).read()
    array([2., 4.])
    """
    axis %= len(recipe.shape)
    n = recipe.shape[axis]
    places = np.where(indices < 0, indices + n, indices).reshape(-1)
    shape = (*recipe.shape[:axis], *np.shape(indices), *recipe.shape[axis + 1 :])
    return recipe.gather(axis, places).reshape(shape)


def with_fill(recipe: Recipe, axis: int, fill: float) -> Recipe:
    """Return a weight with one more entry along an axis, which is a number."""
    shape = (*recipe.shape[:axis], 1, *recipe.shape[axis + 1 :])
    number = repeated(Recipe.constant(fill), shape)
    return Recipe.concatenate((recipe, number), axis)


def padded(
    recipe: Recipe, widths: Sequence[Sequence[int]], fill: float = 0.0, mode: str = "constant"
) -> Recipe:
    """Return a weight with more entries before and behind each axis, as `numpy.pad`.

    A negative width takes entries away.
    """
    for axis, (before, behind) in enumerate(widths):
        n = recipe.shape[axis]
        places = np.arange(max(-before, 0), n - max(-behind, 0))
        wide = (max(before, 0), max(behind, 0))
        constant = {"constant_values": n} if mode == "constant" else {}
        places = np.pad(places, wide, mode, **constant)  # type: ignore[call-overload]
        if not np.array_equal(places, np.arange(n)):
            source = with_fill(recipe, axis, fill) if (places == n).any() else recipe
            recipe = source.gather(axis, places)
    return recipe


def moved_together(parts: Sequence[Recipe], move: Callable[[list[Array]], Array]) -> Recipe | None:
    """Return what a movement makes of several weights, that puts some into the place of others.

    Parameters
    ----------
    move : callable
        Carries it out on arrays of places, one for each weight; a place of 0 is zero.

    Returns
    -------
    Recipe or None
        None, if it copies weights that are too large.
    """
    sizes = [prod(part.shape) for part in parts]
    if sum(sizes) > _LARGEST_JOINED:
        return None
    firsts = np.cumsum([1, *sizes])
    places = move([np.arange(first, first + n).reshape(part.shape)
                   for part, first, n in zip(parts, firsts, sizes, strict=False)])  # fmt: skip
    flat = Recipe.concatenate(
        (Recipe.constant(np.zeros(1)), *(part.reshape((-1,)) for part in parts)), 0
    )
    return flat.gather(0, np.ascontiguousarray(places).reshape(-1)).reshape(places.shape)


def stacked(parts: Sequence[Recipe], axis: int) -> Recipe:
    """Return weights joined along a new axis."""
    axis %= len(parts[0].shape) + 1
    shape = (*parts[0].shape[:axis], 1, *parts[0].shape[axis:])
    return Recipe.concatenate(tuple(part.reshape(shape) for part in parts), axis)


def moved(
    recipe: Recipe,
    move: Callable[[Array], Any],
    made: Callable[[Recipe, Shape], Any] = repeated,
    shape: Shape | None = None,
) -> Any:
    """Return what a movement makes of a weight.

    Parameters
    ----------
    move : callable
        Carries the movement out on an array; returns an array or a list of them.
    made : callable, default `repeated`
        What is made of each result, from a recipe and the shape that it is to be repeated to.
    shape : tuple of int, optional
        The shape that the weight itself is repeated to.

    Returns
    -------
    object, or a list of them
        As `made` returns it. None, if it copies a weight that is too large.

    Examples
    --------
    >>> w = Recipe.constant(np.arange(6.0).reshape(2, 3))
    >>> moved(w, lambda x: x.T[1:]).read()
    array([[1., 4.],
           [2., 5.]])
    """
    base = np.empty(recipe.shape, np.int8)
    wide = base if shape is None else np.broadcast_to(base, shape)
    wide.flags.writeable = True  # PyTorch warns of others
    shown = move(wide)
    found = _each(lambda view: _of_view(recipe, base, view), shown)
    if found is None or (isinstance(found, list) and None in found):
        if shape not in (None, recipe.shape):
            return moved(repeated(recipe, shape), move, made)
        if prod(recipe.shape) > _LARGEST_COPIED:
            return None
        shown = move(np.arange(prod(recipe.shape)).reshape(recipe.shape))
        found = _each(lambda places: _of_places(recipe, places), shown)
    if isinstance(found, list):
        return [made(one, view.shape) for one, view in zip(found, shown, strict=True)]
    return made(found, shown.shape)


def _each(function: Callable[[Array], Any], value: Any) -> Any:
    return [*map(function, value)] if isinstance(value, list | tuple) else function(value)


def _of_view(recipe: Recipe, base: Array, view: Array) -> Recipe | None:
    """Return what a view of an array shows of a weight of its shape; None if it is none.

    Axes along which it shows the same are of length one.
    """
    if not np.may_share_memory(base, view):
        return None
    strides = [t if n > 1 else 0 for n, t in zip(view.shape, view.strides, strict=True)]
    sizes = tuple(n if t else 1 for n, t in zip(view.shape, strides, strict=True))
    offset = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    found = _cut(recipe, sizes, strides, offset)
    if found is None:
        order = sorted((k for k, t in enumerate(strides) if t), key=lambda k: -strides[k])
        whole = prod(sizes) == prod(recipe.shape) and not offset
        if not whole or [strides[k] for k in order] != _steps([sizes[k] for k in order]):
            return None
        found = recipe, order
    part, order = found
    flat = tuple(sizes[k] for k in order)
    return part.reshape(flat).transpose(tuple(np.argsort(order))).reshape(sizes)


def _steps(shape: Sequence[int]) -> list[int]:
    """Return how many values lie between neighbors along each axis, in C order."""
    return [prod(shape[k + 1 :]) for k in range(len(shape))]


def _cut(
    recipe: Recipe, sizes: Shape, strides: list[int], offset: int
) -> tuple[Recipe, list[int]] | None:
    """Return entries along single axes, and which axis of a view each of these is."""
    steps, along = _steps(recipe.shape), dict[int, int]()
    for axis, t in enumerate(strides):
        own = next((k for k, s in enumerate(steps) if s <= abs(t) and recipe.shape[k] > 1), -1)
        if t and (own < 0 or t % steps[own] or own in along):
            return None
        if t:
            along[own] = axis
    for k, (n, step) in enumerate(zip(recipe.shape, steps, strict=True)):
        start, offset = divmod(offset, step)
        length, stride = (sizes[along[k]], strides[along[k]] // step) if k in along else (1, 0)
        places = start + stride * np.arange(length)
        if not 0 <= places.min() <= places.max() < n:
            return None
        recipe = recipe if length == n and stride >= 0 else recipe.gather(k, places)
    return recipe, [along[k] for k in sorted(along)]


def _of_places(recipe: Recipe, places: Array) -> Recipe:
    """Return the values that lie at some places of a weight, in C order."""
    if places.ndim == len(recipe.shape) and places.size:
        by_axis = _by_axis(recipe, places)
        if by_axis is not None:
            return by_axis
    flat = recipe.reshape((-1,)).gather(0, np.ascontiguousarray(places).reshape(-1))
    return flat.reshape(places.shape)


def _by_axis(recipe: Recipe, places: Array) -> Recipe | None:
    """Return entries that are chosen along each axis for itself; None if they are not."""
    where = np.unravel_index(places, recipe.shape)
    lines = [np.moveaxis(where[k], k, -1).reshape(-1, places.shape[k])[0]
             for k in range(places.ndim)]  # fmt: skip
    if not all((a == b).all() for a, b in zip(where, np.ix_(*lines), strict=True)):
        return None
    for axis, line in enumerate(lines):
        if not np.array_equal(line, np.arange(recipe.shape[axis])):
            recipe = recipe.gather(axis, line)
    return recipe
