"""Composed: a weight that a file holds in several tensors, put together where it is read."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cntgraph.adapters.weights.packed.packed_array import PackedArray
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.box import read_box


class Composed(PackedArray):
    """Values of a recipe, of which what is asked for is computed, and no more is read.

    Parameters
    ----------
    recipe : Recipe
        How they are had from what is stored.

    Examples
    --------
    >>> import numpy as np
    >>> rows = (Recipe.constant(np.ones((1, 2))), Recipe.constant(np.zeros((1, 2))))
    >>> Composed(Recipe.concatenate(rows, 0))[1:]
    array([[0., 0.]])
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.shape, self.dtype = recipe, recipe.shape, recipe.dtype.name

    def box(self, *part: range) -> NDArray[Any]:
        """Return the values of a range along each axis."""
        return read_box(self.recipe, part)


def composed(name: str, recipe: Recipe) -> Parameter:
    """Return a parameter whose values are those of a recipe.

    Parameters
    ----------
    name : str
        What it is called.
    recipe : Recipe
        Of one stored tensor as it is, the parameter is that tensor.
    """
    if recipe.op == "parameter" and recipe.parameter is not None:
        return recipe.parameter.rename(name)
    values = Composed(recipe)
    return Parameter(name, values.shape, values.dtype, values)
