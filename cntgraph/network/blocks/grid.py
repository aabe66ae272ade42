"""Grid: positions that are alike along every axis, and what follows from that, found once.

A network in training is measured again and again, and many networks have one topology: which sums
go with which nodes is the same each time. It depends on the classes of the axes alone, and is kept
for those that are met again.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, reduce
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids, Values
from cntgraph.network.blocks.axis_classes import AxisClasses, joined

Axes = tuple[AxisClasses, ...]

#: Classes of all axes together, and positions of the axes, of grids that are kept.
_REMEMBERED = 1 << 14


class Grid:
    """The positions of several axes.

    Parameters
    ----------
    axes : tuple of AxisClasses
        The positions along each axis.

    Attributes
    ----------
    shape : tuple of int
        Number of positions along each axis.
    size : int
        Number of positions.
    table_shape : tuple of int
        Number of classes along each axis.
    of_each_node : bool
        Whether there is one value for each position, so that nothing is gained.
    is_small : bool
        Whether it is kept for the next time.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.shape = tuple(axis.n for axis in axes)
        self.size = prod(self.shape)
        self.table_shape = tuple(axis.n_classes for axis in axes)
        self.of_each_node = self.shape == self.table_shape
        self.is_small = _is_small(axes)
        first, *self._middle, self._last = _three_or_more(axes)
        self._first = first.index
        rows = prod(axis.n_classes for axis in self._middle)
        self._tables = first.n_classes, rows, self._last.n_classes
        self._planes = first.n, prod(axis.n for axis in self._middle), self._last.n

    @cached_property
    def counts(self) -> Values:
        """How many positions have each value of the table, in its shape."""
        return reduce(np.multiply.outer, (axis.counts for axis in self.axes), np.ones(()))

    @cached_property
    def shares(self) -> Values:
        """Which part of the positions has each value of the table, in its shape."""
        return self.counts / self.size

    @cached_property
    def _rows(self) -> Ids:
        first, *others = self._middle
        return reduce(_rows_of, others, first.index)

    def write(self, table: Values, out: Values, channels: slice) -> None:
        """Write the values of some channels to the array of all positions (see `ClassValues`)."""
        from cntgraph.core.kernels.spread import write_classes

        if not self.size:
            return
        planes = out.reshape(self._planes)[channels]
        if self.of_each_node:
            planes[...] = table.reshape(self._planes)[channels]
            return
        index = self._first[channels]
        write_classes(table.reshape(self._tables), index, self._rows, self._last.index, planes)


class Joining(NamedTuple):
    """How values at the same positions are added up: the classes that all of them tell apart.

    Of the table of each, `places` says which entries along which axes make it that of the classes.
    """

    grid: Grid
    places: tuple[tuple[tuple[int, Ids], ...], ...]


def _joining(parts: tuple[Grid, ...]) -> Joining:
    axes = tuple(map(joined, zip(*(part.axes for part in parts), strict=True)))
    places = (
        tuple((k, found) for k, (own, finer) in enumerate(zip(part.axes, axes, strict=True))
              if (found := own.within(finer)) is not None)
        for part in parts
    )  # fmt: skip
    return Joining(grid_of(axes), tuple(places))


_remembered_grid = lru_cache(maxsize=1024)(Grid)
_remembered_joining = lru_cache(maxsize=1024)(_joining)


def grid_of(axes: Axes) -> Grid:
    """Return the grid of axes; of the same small ones, the same object.

    Examples
    --------
    >>> axes = AxisClasses.own(2), AxisClasses.alike(3)
    >>> grid_of(axes).shares, grid_of(axes) is grid_of(axes)
    (array([[0.5],
           [0.5]]), True)
    """
    return _remembered_grid(axes) if _is_small(axes) else Grid(axes)


def joining_of(parts: tuple[Grid, ...]) -> Joining:
    """Return how values on some grids, of the same positions, are added up."""
    return (_remembered_joining if parts[0].is_small else _joining)(parts)


def _is_small(axes: Axes) -> bool:
    n = 1
    for axis in axes[1:]:
        n *= axis.n
    return n <= _REMEMBERED and (not axes or axes[0].n <= _REMEMBERED)


def _three_or_more(axes: Axes) -> Axes:
    """Return the axes, and some of a single position after the first where they are too few."""
    one = AxisClasses.own(1)
    return (*axes[:1], *(one,) * (3 - len(axes)), *axes[1:])


def _rows_of(rows: NDArray[np.int64], axis: AxisClasses) -> NDArray[np.int64]:
    """Return the classes of the rows of a table whose next axis is taken in."""
    return np.add.outer(rows * axis.n_classes, axis.index).reshape(-1)
