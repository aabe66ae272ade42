"""Scaled: a value as stored values times vectors, which is what most folded weights are.

A convolution with the batch norm behind it is its kernel times a factor for each output channel;
a linear map with the gain before it, times one for each input. Whoever adds such weights up can
read them as they are stored, and multiply as it goes: no array of the weights is made.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import NamedTuple

from cntgraph.core.recipe.expression import MOVING, Expression, Shape


class Scaled(NamedTuple):
    """What a value is: other values, and what they are multiplied by.

    Parameters
    ----------
    moved : Expression
        The other values, of its shape.
    factors : tuple of Expression
        Each of as many axes; along every one as long as the value, or of length one.
    """

    moved: Expression
    factors: tuple[Expression, ...] = ()


def scaled(value: Expression) -> Scaled:
    """Return what a value is as other values times factors; those it is itself, if it has none.

    Examples
    --------
    >>> import numpy as np
    >>> from cntgraph.core.recipe import Recipe
    >>> w = Recipe.constant(np.ones((2, 3)))
    >>> found = scaled((w * Recipe.constant(np.ones((2, 1)))).transpose((1, 0)))
    >>> found.moved.op, [factor.shape for factor in found.factors]
    ('transpose', [(1, 2)])
    """
    if value.op == "multiply":
        for whole, other in (value.args, value.args[::-1]):
            if whole.shape == value.shape and prod(other.shape) < prod(value.shape):
                lacking = len(value.shape) - len(other.shape)
                factor = other.reshape((1,) * lacking + other.shape)
                moved, factors = scaled(whole)
                return Scaled(moved, (*factors, factor))
    if value.op in MOVING:
        found = scaled(value.args[0])
        each = [_moved_factor(value, factor) for factor in found.factors]
        factors = tuple(factor for factor in each if factor is not None)
        if factors and len(factors) == len(each):
            return Scaled(_moved(value, found.moved), factors)
    return Scaled(value)


def _moved(value: Expression, other: Expression) -> Expression:
    """Move another value as one is moved."""
    options = value.options
    if value.op == "transpose":
        return other.transpose(tuple(options["axes"]))
    if value.op == "reshape":
        return other.reshape(value.shape)
    if value.op == "take":
        return other.take(*(options[key] for key in ("axis", "start", "stop", "step")))
    return other.gather(options["axis"], options["indices"])


def _moved_factor(value: Expression, factor: Expression) -> Expression | None:
    """Move a factor of what is moved; None, if it is none of the result."""
    if value.op in ("take", "gather") and factor.shape[value.options["axis"]] == 1:
        return factor
    if value.op != "reshape":
        return _moved(value, factor)
    shape: Shape = ()
    for old, new in _together(value.args[0].shape, value.shape):
        if prod(factor.shape[old]) == 1:
            shape += (1,) * len(value.shape[new])
        elif factor.shape[old] == value.args[0].shape[old]:
            shape += value.shape[new]
        else:
            return None
    return factor.reshape(shape)


def _together(old: Shape, new: Shape) -> list[tuple[slice, slice]]:
    """Return which axes of one shape become which of another, as few at once as can be."""
    ends = [{size: k for k, size in enumerate(accumulate(s, mul), 1)} for s in (old, new)]
    shared = [size for size in ends[0] if size in ends[1]]
    found, begin = [], (0, 0)
    for size in shared:
        end = ends[0][size], ends[1][size]
        found.append((slice(begin[0], end[0]), slice(begin[1], end[1])))
        begin = end
    return found


def steps(value: Expression) -> Shape:
    """Return about how far apart neighbors along each axis lie where a value is read from.

    Zero along an axis where that is not one number.

    Examples
    --------
    >>> import numpy as np
    >>> from cntgraph.core.recipe import Recipe
    >>> steps(Recipe.constant(np.ones((2, 3))).transpose((1, 0)).reshape((3, 2, 1)))
    (1, 3, 3)
    """
    if value.op not in MOVING:
        return _steps_in_order(value.shape)
    inner, options = steps(value.args[0]), value.options
    if value.op == "transpose":
        return tuple(inner[axis] for axis in options["axes"])
    if value.op == "take":
        axis = options["axis"]
        return (*inner[:axis], inner[axis] * options["step"], *inner[axis + 1 :])
    if value.op == "gather":
        axis = options["axis"]
        return (*inner[:axis], 0, *inner[axis + 1 :])
    found: Shape = ()
    for old, new in _together(value.args[0].shape, value.shape):
        closest = _closest(value.args[0].shape[old], inner[old])
        found += tuple(closest * step for step in _steps_in_order(value.shape[new]))
    return found


def _steps_in_order(shape: Shape) -> Shape:
    return tuple(accumulate((1, *shape[:0:-1]), mul))[::-1] if shape else ()


def _closest(shape: Shape, apart: Shape) -> int:
    """Return the step from one value to the next of some axes; 0, if there are several."""
    along = [(n, step) for n, step in zip(shape, apart, strict=True) if n > 1]
    if not all(a[1] == b[0] * b[1] for a, b in pairwise(along)):
        return 0
    return along[-1][1] if along else 1
