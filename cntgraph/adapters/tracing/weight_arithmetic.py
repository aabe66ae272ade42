"""Arithmetic on weights: scaled, normalised, summed or multiplied before use, as recipes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from cntgraph.core.recipe import Recipe

#: One axis, several, or None for all.
Axes = int | Sequence[int] | None
#: For each of two operands, its axes.
AxisPairs = tuple[Sequence[int], Sequence[int]]

#: A product of weights that adds up more values than these is no recipe.
_LARGEST_PRODUCT = 1 << 24
#: The largest whole number a weight is raised to.
_LARGEST_POWER = 4


def reciprocal(x: Recipe) -> Recipe:
    """Return 1 / x."""
    return Recipe.constant(1.0) / x


def rsqrt(x: Recipe) -> Recipe:
    """Return 1 / √x."""
    return reciprocal(x.sqrt())


def power(x: Recipe, exponent: float) -> Recipe | None:
    """Return x to a power: a half, a small whole number, or one divided by such; else None.

    Examples
    --------
    >>> power(Recipe.constant(2.0), -3).read()
    array(0.125)
    """
    if exponent < 0:
        made = power(x, -exponent)
        return None if made is None else reciprocal(made)
    if exponent == 0.5:
        return x.sqrt()
    if exponent == 2:
        return x.square()
    if exponent not in range(1, _LARGEST_POWER + 1):
        return None
    made = x
    for _ in range(int(exponent) - 1):
        made = made * x
    return made


# -- over axes --------------------------------------------------------------------------------


def _over(axes: Axes, x: Recipe) -> tuple[int, ...]:
    rank = len(x.shape)
    if axes is None:
        return tuple(range(rank))
    return tuple(sorted({int(k) % rank for k in ([axes] if isinstance(axes, int) else axes)}))


def total(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the sum over axes, which stay as axes of length one if `keep`."""
    over = _over(axes, x)
    summed = x.sum(over)
    if keep:
        return summed
    return summed.reshape(tuple(n for k, n in enumerate(x.shape) if k not in over))


def mean(x: Recipe, axes: Axes = None, keep: bool = False, correction: float = 0.0) -> Recipe:
    """Return the mean over axes; the sum is divided by the number of values - correction."""
    return total(x, axes, keep) / float(prod(x.shape[axis] for axis in _over(axes, x)) - correction)


def variance(x: Recipe, axes: Axes = None, keep: bool = False, correction: float = 0.0) -> Recipe:
    """Return the variance over axes; the sum of squares is divided by their number - correction."""
    return mean((x - mean(x, axes, keep=True)).square(), axes, keep, correction)


def norm(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the Euclidean norm over axes."""
    return total(x.square(), axes, keep).sqrt()


# -- products ---------------------------------------------------------------------------------


def contracted(
    left: Recipe, right: Recipe, summed: AxisPairs, shared: AxisPairs = ((), ())
) -> Recipe | None:
    """Return a product of weights that is summed over axes, such as a low-rank update.

    Parameters
    ----------
    summed : pair of sequence of int
        The axes of either that are multiplied and summed.
    shared : pair of sequence of int, optional
        The axes of either along which entries meet one by one.

    Returns
    -------
    Recipe or None
        The shared axes first, then the other ones of `left` and of `right`; None if it is large.

    Examples
    --------
    >>> a, b = Recipe.constant([[1.0, 2.0]]), Recipe.constant([[3.0], [4.0]])
    >>> contracted(a, b, ((1,), (0,))).read()
    array([[11.]])
    """
    own = [[k for k in range(len(w.shape)) if k not in (*gone, *met)]
           for w, gone, met in zip((left, right), summed, shared, strict=True)]  # fmt: skip
    n_shared, n, m = len(shared[0]), len(own[0]), len(own[1])
    a = left.transpose((*shared[0], *own[0], *summed[0]))
    b = right.transpose((*shared[1], *own[1], *summed[1]))
    a = a.reshape((*a.shape[: n_shared + n], *(1,) * m, *a.shape[n_shared + n :]))
    if n_shared:
        b = b.reshape((*b.shape[:n_shared], *(1,) * n, *b.shape[n_shared:]))
    product = a * b
    if prod(product.shape) > _LARGEST_PRODUCT:
        return None
    return total(product, range(n_shared + n + m, len(product.shape)))


def matmul(left: Recipe, right: Recipe) -> Recipe | None:
    """Return a product as `numpy.matmul` has it; None if it is large, or stacks do not match."""
    n, m = len(left.shape), len(right.shape)
    if not n or not m or (m > 2 and left.shape[:-2] != right.shape[:-2]):
        return None
    stack = range(max(m - 2, 0))
    return contracted(left, right, ((n - 1,), (max(m - 2, 0),)), (stack, stack))
