"""A box of a recipe's values, a range along each axis: of what is only moved, no more is read.

Reading goes along one axis (`reading.py`), which is what sums and kernels want. An expert's rows in
a stack of experts are a part along two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cntgraph.core.parameter import widen
from cntgraph.core.recipe.recipe import Recipe
from cntgraph.core.types import Array

Box = tuple[range, ...]


def read_box(recipe: Recipe, box: Sequence[range]) -> Array:
    """Return the values of a range along each axis.

    Parameters
    ----------
    recipe : Recipe
    box : sequence of range
        Steps of one, within the shape.

    Returns
    -------
    ndarray of float32 or float64

    Examples
    --------
    >>> rows = [Recipe.constant(np.full((1, 4), k)) for k in range(3)]
    >>> read_box(Recipe.concatenate(tuple(rows), 0), (range(1, 3), range(2)))
    array([[1., 1.],
           [2., 2.]])
    """
    box = tuple(box)
    if recipe.op == "parameter" and recipe.parameter is not None:
        stored = recipe.parameter.data[tuple(slice(r.start, r.stop) for r in box)]
        return widen(np.asarray(stored), recipe.parameter.dtype)
    if recipe.op == "transpose":
        return _transposed(recipe, box)
    if recipe.op == "concatenate":
        return _concatenated(recipe, box)
    if recipe.op == "reshape" and _long(recipe.shape) == _long(recipe.args[0].shape):
        return _reshaped(recipe, box)
    for axis, (part, size) in enumerate(zip(box, recipe.shape, strict=True)):
        if len(part) < size:
            recipe = recipe.gather(axis, np.arange(part.start, part.stop))
    return recipe.read()


def _transposed(recipe: Recipe, box: Box) -> Array:
    axes = recipe.options["axes"]
    inner = tuple(box[axes.index(k)] for k in range(len(box)))
    return read_box(recipe.args[0], inner).transpose(axes)


def _concatenated(recipe: Recipe, box: Box) -> Array:
    axis, before = recipe.options["axis"], 0
    parts = []
    for arg in recipe.args:
        n = arg.shape[axis]
        low, high = (min(max(k - before, 0), n) for k in (box[axis].start, box[axis].stop))
        if low < high:
            parts.append(read_box(arg, (*box[:axis], range(low, high), *box[axis + 1 :])))
        before += n
    if not parts:
        return np.empty([len(part) for part in box], recipe.dtype)
    return np.concatenate(parts, axis).astype(recipe.dtype, copy=False)


def _reshaped(recipe: Recipe, box: Box) -> Array:
    """Read what differs by axes of length one."""
    source, left = recipe.args[0], iter(part for part, n in zip(box, recipe.shape, strict=True)
                                        if n != 1)  # fmt: skip
    sizes = [len(part) for part in box]
    if 0 in sizes:
        return np.empty(sizes, recipe.dtype)
    inner = tuple(next(left) if n != 1 else range(1) for n in source.shape)
    return read_box(source, inner).reshape(sizes)


def _long(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]
