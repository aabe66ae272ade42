"""How a parameter meets the nodes of one sample in an elementwise operation."""

from __future__ import annotations

from cntgraph.core.recipe import Recipe


def for_sample(recipe: Recipe | None, ndim: int) -> Recipe | None:
    """Drop the leading axes of length one that a sample of `ndim` axes does not have.

    Parameters
    ----------
    recipe : Recipe or None
        Shaped for a batch of samples.
    ndim : int
        Number of axes of a sample, without the batch.
    """
    if recipe is None:
        return None
    shape = recipe.shape
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return recipe.reshape(shape)


def axis_first(recipe: Recipe | None, ndim: int, axis: int) -> Recipe | None:
    """Re-lay a recipe that broadcasts against `ndim` axes as one of them is moved to the front."""
    if recipe is None:
        return None
    if not recipe.shape:
        return recipe
    padded = recipe.reshape((1,) * (ndim - len(recipe.shape)) + recipe.shape)
    return padded.transpose((axis, *(k for k in range(ndim) if k != axis)))
