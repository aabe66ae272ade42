"""How a parameter meets the nodes of one sample in an elementwise operation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cntgraph.core.recipe import Recipe


def narrowed(recipe: Recipe, ndim: int) -> Recipe:
    """Drop leading axes of length one, as long as there are more than `ndim` axes."""
    shape = recipe.shape
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return recipe.reshape(shape)


def in_order(recipe: Recipe, order: Sequence[int]) -> Recipe:
    """Re-lay a recipe that broadcasts against an array as the axes of that are transposed."""
    if not recipe.shape:
        return recipe
    return recipe.of_rank(len(order)).transpose(tuple(order))


def laid_out(
    recipe: Recipe | None, sizes: Sequence[int], order: Sequence[int], shape: tuple[int, ...]
) -> Recipe | None:
    """Re-lay a recipe that broadcasts against an array as that is transposed and reshaped.

    Parameters
    ----------
    sizes : sequence of int
        Shape of the array.
    """
    if recipe is None or (shape == (*sizes,) and [*order] == sorted(order)):
        return recipe
    turned, recipe = tuple(sizes[axis] for axis in order), in_order(recipe, order)
    if turned == shape:
        return recipe
    places = np.arange(prod(recipe.shape)).reshape(recipe.shape)
    places = np.broadcast_to(places, turned).reshape(shape)
    for axis in range(places.ndim):
        first = places.take([0], axis)
        places = first if (places == first).all() else places
    if places.size == prod(recipe.shape):  # all of them, in their order
        return recipe.reshape(places.shape)
    return recipe.reshape((-1,)).gather(0, places.reshape(-1)).reshape(places.shape)
