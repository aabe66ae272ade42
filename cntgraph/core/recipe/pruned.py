"""Pruned: which weights are none, because a mask takes them out; a weight of zero is one.

`without_masked` says so of weights that a mask multiplies: what it returns chooses by the mask
between the weight and nothing. `kept` finds such choices in whatever was made of the weights since
then, however they were moved, scaled or added up.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import prod

from cntgraph.core.recipe.expression import MOVING
from cntgraph.core.recipe.movement import repeated
from cntgraph.core.recipe.recipe import Recipe

#: Functions of a value that are zero at zero.
_THROUGH_ZERO = frozenset("absolute negative sign sin sqrt square tanh expm1 log1p erf".split())


def pruned_by(mask: Recipe, weight: Recipe) -> Recipe:
    """Return a weight of which only those values are edges where a mask is not zero.

    Examples
    --------
    >>> import numpy as np
    >>> w = Recipe.constant(np.array([0.0, 2.0, 3.0]))
    >>> found = pruned_by(Recipe.constant(np.array([1.0, 1.0, 0.0])), w)
    >>> found.read(), kept(found).read()
    (array([0., 2., 0.]), array([1., 1., 0.]))
    """
    return mask.where(weight, 0.0)


def without_masked(weight: Recipe) -> Recipe:
    """Return the same values; those that a mask multiplies are edges where it is not zero alone.

    Parameters
    ----------
    weight : Recipe
        Values that are multiplied by zeros and ones, which are not trained, have a mask: by as
        many as there are, or by fewer, some of which are zero.

    Returns
    -------
    Recipe

    Examples
    --------
    >>> import numpy as np
    >>> from cntgraph.core.parameter import Parameter
    >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, 2.0]])))
    >>> mask = Recipe.constant(np.array([[1.0, 0.0]]))
    >>> kept(w * mask) is None, kept(without_masked(w * mask)).read()
    (True, array([[1., 0.]]))
    """
    if not any(part.op == "multiply" for part in weight.parts()):
        return weight
    made: dict[int, Recipe] = {}
    for part in sorted(weight.parts(), key=lambda part: part.depth):
        args = tuple(made[id(arg)] for arg in part.args)
        changed = any(new is not old for new, old in zip(args, part.args, strict=True))
        found = replace(part, args=args) if changed else part
        mask = _mask_of(part) if part.op == "multiply" else None
        made[id(part)] = found if mask is None else pruned_by(mask, found)
    return made[id(weight)]


def _mask_of(product: Recipe) -> Recipe | None:
    """Return which of two factors is a mask of the other."""
    for value, mask in (product.args, product.args[::-1]):
        trained = any(parameter.trainable for parameter in value.parameters())
        if trained and value.shape == product.shape and _is_mask(mask, prod(value.shape)):
            return mask
    return None


def _is_mask(factor: Recipe, n_values: int) -> bool:
    """Whether a factor of so many values is stored zeros and ones that nobody trains."""
    source = factor
    while source.op in MOVING:
        source = source.args[0]
    parameter = source.parameter
    whole = parameter is not None and prod(factor.shape) == n_values
    if source.args or not source.shape or (parameter is not None and parameter.trainable):
        return False
    if prod(factor.shape) == 1 and not whole:
        return False
    if whole and parameter is not None and parameter.dtype == "bool":
        return True  # no value needs to be read to know that
    has_zero = False
    for bounds in source.chunks():
        values = source.read(0, *bounds)
        zero = values == 0
        if not (zero | (values == 1)).all():
            return False
        has_zero |= bool(zero.any())
    return has_zero or whole


def unpruned(weight: Recipe) -> Recipe:
    """Return the same values as edges all, those that a mask makes zero among them.

    Examples
    --------
    >>> w, mask = (Recipe.constant([1.0, x]) for x in (3.0, 0.0))
    >>> kept(unpruned(pruned_by(mask, w * mask) * 2.0)) is None
    True
    """
    made: dict[int, Recipe] = {}
    for part in sorted(weight.parts(), key=lambda part: part.depth):
        args = tuple(made[id(arg)] for arg in part.args)
        choice = part.op == "where" and _chosen(part, [None] * 3) is not None
        found = replace(part, args=args) if args else part
        # Added to nothing, of which no mask is known.
        made[id(part)] = found + 0.0 if choice else found
    return made[id(weight)]


def kept(weight: Recipe) -> Recipe | None:
    """Return one where a weight is an edge and zero where a mask took it out, of its shape.

    Parameters
    ----------
    weight : Recipe
        Whatever was made of weights: sums are edges where one of their terms is, products where
        all of their factors are.

    Returns
    -------
    Recipe or None
        None where nothing is taken out.
    """
    found: dict[int, Recipe | None] = {}
    for part in sorted(weight.parts(), key=lambda part: part.depth):
        found[id(part)] = _kept(part, [found[id(arg)] for arg in part.args])
    return found[id(weight)]


def _kept(part: Recipe, of_args: list[Recipe | None]) -> Recipe | None:
    """Return the same of an operation, given what is kept of its operands."""
    if part.op == "where":
        return _chosen(part, of_args)
    known = [mask for mask in of_args if mask is not None]
    if not known:
        return None
    first, every = known[0], len(known) == len(of_args)
    if part.op in MOVING:
        return replace(part, args=(first,), dtype=first.dtype)
    if part.op in _THROUGH_ZERO or (part.op == "divide" and of_args[0] is first):
        return repeated(first, part.shape)
    if part.op == "multiply":
        return repeated(_product(known), part.shape)
    if part.op in ("add", "subtract") and every:
        return repeated(_union(*known), part.shape)
    if part.op == "concatenate":
        return _joined(part, of_args)
    if part.op in ("sum", "sum_by"):
        return _as_mask(replace(part, args=(first,)))
    return None


def _chosen(choice: Recipe, of_args: list[Recipe | None]) -> Recipe | None:
    """Return where a choice is not the number zero, if what chooses is not trained."""
    mask, one, other = choice.args
    if any(parameter.trainable for parameter in mask.parameters()):
        return None
    if _is_zero(other):
        own, of_value = _as_mask(mask), of_args[1]
    elif _is_zero(one):
        own, of_value = mask.where(0.0, 1.0), of_args[2]
    else:
        return None
    return repeated(own if of_value is None else _product([own, of_value]), choice.shape)


def _is_zero(value: Recipe) -> bool:
    """Whether a value is the number zero, however often it is repeated."""
    while value.op in MOVING:
        value = value.args[0]
    return value.value is not None and not value.value.any()


def _as_mask(values: Recipe) -> Recipe:
    return values.where(1.0, 0.0)


def _product(masks: list[Recipe]) -> Recipe:
    return reduce(Recipe.__mul__, dict.fromkeys(masks))


def _union(one: Recipe, other: Recipe) -> Recipe:
    return one if one is other else one.binary("maximum", other)


def _joined(part: Recipe, of_args: list[Recipe | None]) -> Recipe:
    masks = (
        repeated(Recipe.constant(1.0), arg.shape) if mask is None else mask
        for arg, mask in zip(part.args, of_args, strict=True)
    )
    return Recipe.concatenate(tuple(masks), part.options["axis"])
