"""ClassValues: one value per node, of which many are alike, held once for each that is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Array, Ids, Values
from cntgraph.network.blocks.axis_classes import AxisClasses
from cntgraph.network.blocks.grid import Axes, Grid, grid_of, joining_of


@dataclass(frozen=True, eq=False)
class ClassValues:
    """Values on a grid of positions, equal where positions are alike along every axis.

    The sums of a convolution are of this kind: in the interior of a feature map there is one for
    each channel. Adding two up, or describing their distribution, is work on the few that differ.

    Parameters
    ----------
    table : ndarray of float64, one axis for each of the grid's
        The value of each combination of classes.
    grid : Grid
        The positions along each axis.

    Examples
    --------
    >>> ends = AxisClasses.of(np.array([0, 1, 1, 0]))
    >>> found = ClassValues.of_classes(np.array([[2.0, 3.0]]), (AxisClasses.own(1), ends))
    >>> found.values()
    array([2., 3., 3., 2.])
    >>> joint([found, ClassValues.of_broadcast(np.array([0.5]), (1, 4))]).table
    array([[2.5, 3.5]])
    """

    table: Values
    grid: Grid

    @classmethod
    def of_classes(cls, table: Values, axes: Axes) -> ClassValues:
        """Return the values of the combinations of the classes of axes."""
        return cls(table, grid_of(axes))

    @classmethod
    def of_nodes(cls, values: Array, shape: tuple[int, ...]) -> ClassValues:
        """Return values of which each may be another, shape (size,) or `shape`."""
        table = values.reshape(shape).astype(np.float64, copy=False)
        return cls(table, _grid_of_nodes(shape))

    @classmethod
    def of_broadcast(cls, values: Array, shape: tuple[int, ...]) -> ClassValues:
        """Return values that are to be broadcast to `shape`, equal along the axes they lack."""
        grid, table = _grid_of_broadcast(values.shape, shape), values.astype(np.float64, copy=False)
        if not grid.size:
            table = np.broadcast_to(table, shape)
        return cls(table.reshape(grid.table_shape), grid)

    @property
    def axes(self) -> Axes:
        """The positions along each axis."""
        return self.grid.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions along each axis."""
        return self.grid.shape

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.grid.size

    @property
    def of_each_node(self) -> bool:
        """Whether there is one value for each position, so that nothing is gained."""
        return self.grid.of_each_node

    def counts(self) -> Values:
        """Return how many positions have each value of the table, in its shape."""
        return self.grid.counts

    def values(self) -> Values:
        """Return the value of every position, shape (size,); it may be the table itself."""
        grid = self.grid
        if grid.of_each_node:
            return self.table.reshape(-1)
        out = np.empty(grid.size)
        grid.write(self.table, out, slice(None))
        return out

    def write(self, out: Values, channels: slice = slice(None)) -> None:
        """Write the values of some channels, all by default, to the array of all positions.

        Parameters
        ----------
        out : ndarray of float64, shape (size,)
        channels : slice, default all
            Positions of the first axis.
        """
        self.grid.write(self.table, out, channels)

    def reshaped(self, shape: tuple[int, ...]) -> ClassValues:
        """Return the same values by position in another shape (C order)."""
        if shape == self.shape:
            return self
        if self.table.size == 1:
            return ClassValues.of_broadcast(self.table.reshape(()), shape)
        return self._regrouped(shape) or ClassValues.of_nodes(self.values(), shape)

    def _regrouped(self, shape: tuple[int, ...]) -> ClassValues | None:
        """Return them in a shape that differs in its first axes, where these are all of one kind.

        Where no two positions are alike along them, or all are, other axes can take their place:
        the channels of many copies of a network are those of one, copy by copy.
        """
        pairs = zip(self.shape[::-1], shape[::-1], strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        before, first = self.axes[: len(self.axes) - kept], shape[: len(shape) - kept]
        for kind in (AxisClasses.own, AxisClasses.alike):
            if all(axis.n_classes == kind(axis.n).n_classes for axis in before):
                grid = grid_of((*map(kind, first), *self.axes[len(before) :]))
                return ClassValues(self.table.reshape(grid.table_shape), grid)
        return None

    def outer(self, other: ClassValues) -> ClassValues:
        """Return the products of these values with others, whose axes follow."""
        table = np.multiply.outer(self.table, other.table)
        return ClassValues.of_classes(table, (*self.axes, *other.axes))

    def times(self, factor: float) -> ClassValues:
        """Return the values times a number."""
        return ClassValues(self.table * factor, self.grid)

    def times_each(self, factors: Values) -> ClassValues:
        """Return the values times each of some numbers, whose axes come first: of one, none."""
        return ClassValues.of_nodes(factors, factors.shape).outer(self)


class Sides(NamedTuple):
    """Row sums (by source position) and column sums (by target position) of f(A)."""

    row: ClassValues
    column: ClassValues


def joint(parts: Sequence[ClassValues]) -> ClassValues:
    """Return the sum of values at the same positions, of one shape, from left to right.

    Raises
    ------
    ValueError
        If there are none.
    """
    if len(parts) == 1:
        return parts[0]
    grid, places = joining_of(tuple([part.grid for part in parts]))
    total, *others = (_taken(p.table, own) for p, own in zip(parts, places, strict=True))
    with np.errstate(invalid="ignore", over="ignore"):  # infinities that cancel are NaN
        for table in others:
            total = total + table
    if total.shape != grid.table_shape:
        total = np.ascontiguousarray(np.broadcast_to(total, grid.table_shape))
    return ClassValues(total, grid)


def _taken(table: Values, places: Iterable[tuple[int, Ids]]) -> Values:
    """Return the table for finer classes; where an axis is all alike, it broadcasts."""
    for axis, own in places:
        table = table.take(own, axis=axis)
    return table


@lru_cache(maxsize=1024)
def _grid_of_nodes(shape: tuple[int, ...]) -> Grid:
    return grid_of(tuple(map(AxisClasses.own, shape)))


@lru_cache(maxsize=1024)
def _grid_of_broadcast(own: tuple[int, ...], shape: tuple[int, ...]) -> Grid:
    """Return the grid of values that are to be broadcast to a shape."""
    padded = (1,) * (len(shape) - len(own)) + own
    pairs = zip(shape, padded, strict=True)
    return grid_of(tuple(AxisClasses.own(n) if n == k else AxisClasses.alike(n) for n, k in pairs))
