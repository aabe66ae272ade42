"""How a parameter meets the nodes of one sample in an elementwise operation."""

from __future__ import annotations

from cntgraph.core.recipe import Recipe


def narrowed(recipe: Recipe, ndim: int) -> Recipe:
    """Drop leading axes of length one, as long as there are more than `ndim` axes."""
    shape = recipe.shape
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return recipe.reshape(shape)


def axis_first(recipe: Recipe | None, ndim: int, axis: int) -> Recipe | None:
    """Re-lay a recipe that broadcasts against `ndim` axes as one of them is moved to the front."""
    if recipe is None or not recipe.shape:
        return recipe
    return recipe.of_rank(ndim).transpose((axis, *(k for k in range(ndim) if k != axis)))
