"""Summary: the distribution of a layer's values in four numbers, from those that differ."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Values
from cntgraph.network.blocks.class_values import ClassValues
from cntgraph.network.blocks.grid import grid_of
from cntgraph.network.blocks.histogram import N_COUNTS, Bins, Counts
from cntgraph.network.blocks.statistics import WeightStatistics

#: So many values are looked at in one pass, for which no array is made.
_MANY = 1 << 12


class Summary(NamedTuple):
    """Mean, standard deviation (ddof 0) and extremes; what is not finite counts as in NumPy."""

    mean: float
    std: float
    minimum: float
    maximum: float


def summarize(values: ClassValues) -> Summary:
    """Return mean, standard deviation and extremes over all positions; NaN where there are none.

    Parameters
    ----------
    values : ClassValues
        Infinite values have no deviation: to be called where NumPy does not warn of that.

    Returns
    -------
    Summary

    Examples
    --------
    >>> from cntgraph.network.blocks.axis_classes import AxisClasses
    >>> ends = AxisClasses.of(np.array([0, 1, 1, 0]))
    >>> summarize(ClassValues.of_classes(np.array([2.0, 3.0]), (ends,)))
    Summary(mean=2.5, std=0.5, minimum=2.0, maximum=3.0)
    """
    from cntgraph.core.kernels.stacks import summarize_rows

    grid, table = values.grid, values.table
    if not grid.size:
        return Summary(nan, nan, nan, nan)
    if grid.of_each_node and table.size > _MANY:
        return _of_nodes(table)
    found = np.empty((1, len(Summary._fields)))
    summarize_rows(table.reshape(1, -1), grid.shares.reshape(-1), found)
    return Summary(*found[0].tolist())


def _of_nodes(table: Values) -> Summary:
    """Return the summary of values from one pass; of those that are not finite, as NumPy does."""
    found = WeightStatistics.of(table)
    if found.n == table.size:
        return Summary(found.mean, found.std, found.minimum, found.maximum)
    return Summary(*(float(function(table)) for function in (np.mean, np.std, np.min, np.max)))


def summarize_each(values: ClassValues, n: int) -> Values:
    """Return the summary of the values of each of n networks.

    Parameters
    ----------
    values : ClassValues
        Their first axis is that of the networks.
    n : int

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Mean, standard deviation and extremes, as `summarize` has them.

    Examples
    --------
    >>> summarize_each(ClassValues.of_nodes(np.array([1.0, 3.0, 2.0, 2.0]), (2, 2)), 2)
    array([[2., 1., 1., 3.],
           [2., 0., 2., 2.]])
    """
    from cntgraph.core.kernels.stacks import summarize_rows

    first, *others = values.axes
    found = np.full((first.n_classes, len(Summary._fields)), np.nan)
    if values.size:
        shares = grid_of(tuple(others)).shares.reshape(-1)
        summarize_rows(values.table.reshape(first.n_classes, -1), shares, found)
    return np.broadcast_to(found, (n, len(Summary._fields)))  # where all have the same edges


def count_in(bins: Bins, values: ClassValues) -> Counts:
    """Return how many positions have a value in each bin (see `Bins.count`).

    Parameters
    ----------
    bins : Bins
    values : ClassValues

    Returns
    -------
    ndarray of int64, shape (515,)

    Examples
    --------
    >>> from cntgraph.network.blocks.axis_classes import AxisClasses
    >>> ends = AxisClasses.of(np.array([0, 1, 1, 1]))
    >>> counts = count_in(Bins(0.0, 1.0), ClassValues.of_classes(np.array([0.01, 0.04]), (ends,)))
    >>> counts[257:259]
    array([1, 3])
    """
    if values.of_each_node:
        return bins.count(values.table)
    counts, total = values.counts(), np.zeros(N_COUNTS, dtype=np.int64)
    for n in np.unique(counts):  # few: how often each kind of border comes
        total += int(n) * bins.count(values.table[counts == n])
    return total
