"""Row statistics: the distribution of the weights of many networks, a row for each."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import kernel_values
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import Sides
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.stack_sums import stack_sums, values_of_each


def no_statistics(n: int) -> Values:
    """Return those of no weights, of n networks, as `core.kernels.stacks` has them: (n, 10)."""
    return np.tile(_nothing(), (n, 1))


@cache
def _nothing() -> Values:
    return _row(WeightStatistics())


def _row(found: WeightStatistics) -> Values:
    return np.array(astuple(replace(found, counts=None))[:-1], dtype=np.float64)


def statistics_of_rows(values: Array) -> Values:
    """Return the statistics of the values of each row, shape (n, 10).

    Parameters
    ----------
    values : ndarray of float64, shape (n, size)

    Returns
    -------
    ndarray of float64, shape (n, 10)

    Examples
    --------
    >>> statistics_of_rows(np.array([[1.0, 3.0], [2.0, np.nan]]))[:, :3]
    array([[2., 2., 2.],
           [1., 2., 0.]])
    """
    from cntgraph.core.kernels.stacks import add_statistics

    found = no_statistics(len(values))
    add_statistics(values, found)
    return found


def add_sums(found: Values, one: Block, all_: Block) -> Sides:
    """Return the sums of a block in each network, and add what is learned to their statistics.

    Parameters
    ----------
    found : ndarray of float64, shape (n, 10)
        Changed in place.
    one, all_ : Block
        Of one network, and of all.
    """
    from cntgraph.core.kernels.stacks import add_statistics

    n = len(found)
    sides = stack_sums(one, all_, found if one.parametric else no_statistics(n))
    if sides is not None:
        return sides
    if one.parametric and all_.weight is None:  # those of its geometry
        found[:] = [_row(WeightStatistics(*row) + one.statistics()) for row in found]
    elif one.parametric and all_.weight is not None and one.weight is not None:
        add_statistics(rows_in_any_order(all_.weight, n, one.weight), found)
    return all_.class_sums(("signed",)).sums["signed"]


def rows_in_any_order(weight: Recipe, n: int, own: Recipe) -> NDArray[Any]:
    """Return the weights of n networks as kernels take them, a row each, however they lie in it.

    `own` are those of one network: what all its channels share is there once.
    """
    while weight.op in ("reshape", "transpose") or prod(weight.shape) > n * prod(own.shape):
        weight = weight.args[0]
    if weight.shape[:1] == (n,):
        return values_of_each(weight)
    return kernel_values(weight.read_stored(), weight.stored_dtype).reshape(n, -1)
