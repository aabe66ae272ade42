"""Functions of values along axes: sums, norms, products; composed of the operations of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf, prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe.functions import power, softmax
from cntgraph.core.recipe.movement import with_fill
from cntgraph.core.recipe.recipe import Recipe

#: One axis, several, or None for all.
Axes = int | Sequence[int] | None
#: For each of two operands, its axes.
AxisPairs = tuple[Sequence[int], Sequence[int]]


def ascending(axes: Axes, rank: int) -> tuple[int, ...]:
    """Return axes counted from the front, each once, in order; all of them for None."""
    if axes is None:
        return tuple(range(rank))
    return tuple(sorted({int(k) % rank for k in ([axes] if isinstance(axes, int) else axes)}))


def total(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the sum over axes, which stay as axes of length one if `keep`."""
    over = ascending(axes, len(x.shape))
    return _left(x.sum(over), over, keep)


def largest(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the largest value over axes."""
    over = ascending(axes, len(x.shape))
    return _left(x.max(over), over, keep)


def smallest(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the smallest value over axes."""
    return -largest(-x, axes, keep)


def _left(made: Recipe, over: Sequence[int], keep: bool) -> Recipe:
    sizes = (n for k, n in enumerate(made.shape) if keep or k not in over)
    return made.reshape(tuple(sizes))


def mean(x: Recipe, axes: Axes = None, keep: bool = False, correction: float = 0.0) -> Recipe:
    """Return the mean over axes; the sum is divided by the number of values - correction."""
    number = prod(x.shape[axis] for axis in ascending(axes, len(x.shape)))
    return total(x, axes, keep) / float(number - correction)


def variance(x: Recipe, axes: Axes = None, keep: bool = False, correction: float = 0.0) -> Recipe:
    """Return the variance over axes; the sum of squares is divided by their number - correction."""
    return mean((x - mean(x, axes, keep=True)).square(), axes, keep, correction)


def norm(x: Recipe, axes: Axes = None, keep: bool = False, order: float = 2.0) -> Recipe:
    """Return the length of vectors over axes: a sum of powers, and its root."""
    if order == 2:
        return total(x.square(), axes, keep).sqrt()
    if isinf(order):
        return (largest if order > 0 else smallest)(abs(x), axes, keep)
    return power(total(power(abs(x), order), axes, keep), 1.0 / order)


def log_sum_exp(x: Recipe, axes: Axes = None, keep: bool = False) -> Recipe:
    """Return the logarithm of the sum of exponentials over axes."""
    most = largest(x, axes, keep=True)
    made = total((x - most).unary("exp"), axes, keep=True).unary("log") + most
    return _left(made, ascending(axes, len(x.shape)), keep)


def normalized(x: Recipe, axes: Axes, epsilon: float, *, centered: bool = True) -> Recipe:
    """Return values less their mean over axes, over their deviation; or over their mean square."""
    off = x - mean(x, axes, keep=True) if centered else x
    return off / (mean(off.square(), axes, keep=True) + float(epsilon)).sqrt()


# -- products ---------------------------------------------------------------------------------


def contracted(
    left: Recipe, right: Recipe, summed: AxisPairs, shared: AxisPairs = ((), ())
) -> Recipe:
    """Return a product that is summed over axes, such as a low-rank update.

    Parameters
    ----------
    summed : pair of sequence of int
        The axes of either that are multiplied and summed.
    shared : pair of sequence of int, optional
        The axes of either along which entries meet one by one.

    Returns
    -------
    Recipe
        The shared axes first, then the other ones of `left` and of `right`. An axis of length one
        is repeated along one that is longer.

    Examples
    --------
    >>> a, b = Recipe.constant([[1.0, 2.0]]), Recipe.constant([[3.0], [4.0]])
    >>> contracted(a, b, ((1,), (0,))).read()
    array([[11.]])
    """
    for k, j in zip(*summed, strict=True):
        if left.shape[k] != right.shape[j]:
            left, right = (x.sum((axis,)) for x, axis in ((left, k), (right, j)))
    own = [[k for k in range(len(w.shape)) if k not in (*gone, *met)]
           for w, gone, met in zip((left, right), summed, shared, strict=True)]  # fmt: skip
    n_shared, n, m = len(shared[0]), len(own[0]), len(own[1])
    a = left.transpose((*shared[0], *own[0], *summed[0]))
    b = right.transpose((*shared[1], *summed[1], *own[1]))
    rows, columns = a.shape[n_shared : n_shared + n], b.shape[len(b.shape) - m :]
    length = prod(a.shape[n_shared + n :])
    made = a.reshape((*a.shape[:n_shared], prod(rows), length)) @ b.reshape(
        (*b.shape[:n_shared], length, prod(columns))
    )
    return made.reshape((*made.shape[:n_shared], *rows, *columns))


def matmul(left: Recipe, right: Recipe) -> Recipe:
    """Return a product as `numpy.matmul` has it."""
    n, m = len(left.shape), len(right.shape)
    made = (left.reshape((1, -1)) if n == 1 else left) @ (
        right.reshape((-1, 1)) if m == 1 else right
    )
    stack, (rows, columns) = made.shape[:-2], made.shape[-2:]
    return made.reshape((*stack, *[rows][: n - 1], *[columns][: m - 1]))


def along_axis(x: Recipe, axis: int, matrix: Recipe) -> Recipe:
    """Return what a matrix (before, after) makes of an axis: an interpolation, sums so far."""
    axis %= len(x.shape)
    last = (*(k for k in range(len(x.shape)) if k != axis), axis)
    made = x.transpose(last) @ matrix if len(last) > 1 else matmul(x, matrix)
    order = [*range(len(last) - 1)]
    order.insert(axis, len(last) - 1)
    return made.transpose(tuple(order))


def attention(query: Recipe, key: Recipe, value: Recipe, scale: float) -> Recipe:
    """Return softmax(scale · query keyᵀ) value."""
    rank = len(key.shape)
    turned = key.transpose((*range(rank - 2), rank - 1, rank - 2))
    return softmax((query @ turned) * scale) @ value


def convolved(
    x: Recipe, weight: Recipe, places: Sequence[NDArray[np.int64]], groups: int = 1, *,
    transposed: bool = False,
) -> Recipe:  # fmt: skip
    """Return a convolution of values of shape (images, channels, *positions).

    Parameters
    ----------
    weight : Recipe
        Of shape (out, in / groups, *taps); transposed, (in, out / groups, *taps).
    places : sequence of ndarray of int64, shape (positions, taps)
        For each axis, which position each tap of each position of the result reads; one behind
        the last is the padding, which is zero.
    """
    images, channels, rank = *x.shape[:2], len(places)
    if transposed:
        weight = weight.reshape((groups, channels // groups, -1, *weight.shape[2:]))
        weight = weight.transpose((0, 2, 1, *range(3, 3 + rank)))
    weight = weight.reshape((groups, -1, channels // groups, prod(weight.shape[-rank:])))
    for axis, read in enumerate(places):
        k = 2 + 2 * axis
        shape = (*x.shape[:k], *read.shape, *x.shape[k + 1 :])
        x = with_fill(x, k, 0.0).gather(k, read.reshape(-1)).reshape(shape)
    x = x.transpose((0, 1, *range(3, 3 + 2 * rank, 2), *range(2, 2 + 2 * rank, 2)))
    sizes = x.shape[2 + rank :]
    x = x.reshape((images, groups, prod(weight.shape[2:]), prod(sizes)))
    made = weight.reshape((1, *weight.shape[:2], -1)) @ x
    return made.reshape((images, -1, *sizes))
