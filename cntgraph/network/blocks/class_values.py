"""ClassValues: one value per node, of which many are alike, held once for each that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.axis_classes import AxisClasses, joined


@dataclass(frozen=True, eq=False)
class ClassValues:
    """Values on a grid of positions, equal where positions are alike along every axis.

    The sums of a convolution are of this kind: in the interior of a feature map there is one for
    each channel. Adding two up, or describing their distribution, is work on the few that differ.

    Parameters
    ----------
    table : ndarray of float64, one axis for each of `axes`
        The value of each combination of classes.
    axes : tuple of AxisClasses
        The positions along each axis.

    Examples
    --------
    >>> ends = AxisClasses.of(np.array([0, 1, 1, 0]))
    >>> found = ClassValues(np.array([[2.0, 3.0]]), (AxisClasses.own(1), ends))
    >>> found.values()
    array([2., 3., 3., 2.])
    >>> joint([found, ClassValues.of_broadcast(np.array([0.5]), (1, 4))]).table
    array([[2.5, 3.5]])
    """

    table: Values
    axes: tuple[AxisClasses, ...]

    @classmethod
    def of_nodes(cls, values: Array, shape: tuple[int, ...]) -> ClassValues:
        """Return values of which each may be another, shape (size,) or `shape`."""
        table = values.reshape(shape).astype(np.float64, copy=False)
        return cls(table, tuple(map(AxisClasses.own, shape)))

    @classmethod
    def of_broadcast(cls, values: Array, shape: tuple[int, ...]) -> ClassValues:
        """Return values that are to be broadcast to `shape`, equal along the axes they lack."""
        lacking = len(shape) - values.ndim
        table = values.reshape((1,) * lacking + values.shape).astype(np.float64, copy=False)
        axes = tuple(
            AxisClasses.own(n) if n == own else AxisClasses.alike(n)
            for n, own in zip(shape, table.shape, strict=True)
        )
        return cls(table[tuple(slice(axis.n_classes) for axis in axes)], axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of positions along each axis."""
        return tuple(axis.n for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of positions."""
        return prod(axis.n for axis in self.axes)

    @property
    def of_each_node(self) -> bool:
        """Whether there is one value for each position, so that nothing is gained."""
        return all(axis.n_classes == axis.n for axis in self.axes)

    def counts(self) -> Values:
        """Return how many positions have each value of the table, in its shape."""
        parts = (axis.counts for axis in self.axes)
        return reduce(np.multiply.outer, parts, np.ones(()))

    def values(self) -> Values:
        """Return the value of every position, shape (size,); it may be the table itself."""
        if self.of_each_node:
            return self.table.reshape(-1)
        out = np.empty(self.size)
        self.write(out)
        return out

    def write(self, out: Values, channels: slice = slice(None)) -> None:
        """Write the values of some channels, all by default, to the array of all positions.

        Parameters
        ----------
        out : ndarray of float64, shape (size,)
        channels : slice, default all
            Positions of the first axis.
        """
        from cntgraph.core.kernels.spread import write_classes

        if not self.size:
            return
        first, *middle, last = _three_or_more(self.axes)
        target = out.reshape(first.n, -1)[channels]
        if self.of_each_node:
            target[...] = self.table.reshape(first.n, -1)[channels]
            return
        rows = reduce(_rows_of, middle[1:], middle[0].index)
        table = self.table.reshape(first.n_classes, -1, last.n_classes)
        target = target.reshape(-1, len(rows), last.n)
        write_classes(table, first.index[channels], rows, last.index, target)

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
                axes = (*map(kind, first), *self.axes[len(before) :])
                return ClassValues(self.table.reshape([axis.n_classes for axis in axes]), axes)
        return None

    def outer(self, other: ClassValues) -> ClassValues:
        """Return the products of these values with others, whose axes follow."""
        return ClassValues(np.multiply.outer(self.table, other.table), (*self.axes, *other.axes))

    def times(self, factor: float) -> ClassValues:
        """Return the values times a number."""
        return ClassValues(self.table * factor, self.axes)

    def on(self, axes: tuple[AxisClasses, ...]) -> Values:
        """Return the table for finer classes; where an axis is all alike, it broadcasts."""
        table = self.table
        for k, (own, finer) in enumerate(zip(self.axes, axes, strict=True)):
            places = own.within(finer)
            if places is not None:
                table = table.take(places, axis=k)
        return table


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
    first, *others = parts
    if not others:
        return first
    axes = tuple(map(joined, zip(*(part.axes for part in parts), strict=True)))
    total = first.on(axes)
    for part in others:
        total = total + part.on(axes)
    shape = tuple(axis.n_classes for axis in axes)
    if total.shape != shape:
        total = np.ascontiguousarray(np.broadcast_to(total, shape))
    return ClassValues(total, axes)


def _three_or_more(axes: tuple[AxisClasses, ...]) -> tuple[AxisClasses, ...]:
    """Return the axes, and some of a single position after the first where they are too few."""
    one = AxisClasses.own(1)
    return (*axes[:1], *(one,) * (3 - len(axes)), *axes[1:])


def _rows_of(rows: NDArray[np.int64], axis: AxisClasses) -> NDArray[np.int64]:
    """Return the classes of the rows of a table whose next axis is taken in."""
    return np.add.outer(rows * axis.n_classes, axis.index).reshape(-1)
