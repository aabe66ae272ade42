"""The recipe of many copies: one value for each of several sets of parameters, stacked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe.recipe import Recipe


def recipe_of_copies(recipe: Recipe, n: int, parameters: Mapping[str, Parameter]) -> Recipe:
    """Return what a recipe makes of each of n sets of parameters, stacked along a new first axis.

    Parameters
    ----------
    recipe : Recipe
        Of one set.
    n : int
        Number of sets.
    parameters : mapping of str to Parameter
        All values of each parameter that it reads, shape (n, *shape of the parameter).

    Returns
    -------
    Recipe
        Of shape (n, *shape of the recipe).

    Examples
    --------
    >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0]])))
    >>> all_values = Parameter.from_array("w", np.array([[[1.0, 2.0]], [[3.0, 4.0]]]))
    >>> recipe_of_copies(w.transpose((1, 0)) * 10.0, 2, {"w": all_values}).read()[:, :, 0]
    array([[10., 20.],
           [30., 40.]])
    """
    made: dict[int, Recipe] = {}
    stacked: set[int] = set()
    for part in sorted(recipe.parts(), key=lambda part: part.depth):
        if part.parameter is not None or any(id(arg) in stacked for arg in part.args):
            stacked.add(id(part))
        args = tuple(made[id(arg)] for arg in part.args)
        which = tuple(id(arg) in stacked for arg in part.args)
        made[id(part)] = _copied(part, args, which, n, parameters)
    found = made[id(recipe)]
    return found if id(recipe) in stacked else _repeated(found, n)


def _copied(
    part: Recipe, args: tuple[Recipe, ...], stacked: tuple[bool, ...], n: int,
    parameters: Mapping[str, Parameter],
) -> Recipe:  # fmt: skip
    """Return what a part is, its operands being stacked (or what is the same for all copies)."""
    if part.parameter is not None:
        return Recipe.of(parameters[part.parameter.name])
    if not any(stacked):
        return part
    one, options = args[0], part.options
    if part.op == "transpose":
        return one.transpose((0, *(axis + 1 for axis in options["axes"])))
    if part.op == "reshape":
        return one.reshape((n, *part.shape))
    if part.op == "take":
        return one.take(options["axis"] + 1, options["start"], options["stop"], options["step"])
    if part.op == "gather":
        return one.gather(options["axis"] + 1, options["indices"])
    if part.op == "sum_by":
        return one.sum_by(options["axis"] + 1, options["labels"], options["n"])
    if part.op in ("sum", "max"):
        axes = tuple(axis + 1 for axis in options["axes"])
        return one.sum(axes) if part.op == "sum" else one.max(axes)
    if part.op == "concatenate":
        parts = (a if own else _repeated(a, n) for a, own in zip(args, stacked, strict=True))
        return Recipe.concatenate(tuple(parts), options["axis"] + 1)
    rank = len(part.shape)
    found = [_of_rank(a, rank) if own else a for a, own in zip(args, stacked, strict=True)]
    return _combined(part.op, found)


def _combined(op: str, args: list[Recipe]) -> Recipe:
    """Return an operation whose operands broadcast together."""
    first, *others = args
    if op == "matmul":
        return first @ others[0]
    if op == "where":
        return first.where(*others)
    return first.binary(op, others[0]) if others else first.unary(op)


def _of_rank(stacked: Recipe, rank: int) -> Recipe:
    """Return stacked values whose own axes are so many: broadcasting adds axes before them."""
    n, *shape = stacked.shape
    return stacked.reshape((n, *(1,) * (rank - len(shape)), *shape))


def _repeated(recipe: Recipe, n: int) -> Recipe:
    """Return what is the same for all copies, once for each."""
    return recipe.reshape((1, *recipe.shape)).gather(0, np.zeros(n, dtype=np.int64))
