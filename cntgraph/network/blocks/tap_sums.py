"""TapSums: the sums over the taps that cover each position, as a list of additions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values
from cntgraph.network.blocks.axis_classes import AxisClasses
from cntgraph.network.blocks.class_values import ClassValues
from cntgraph.network.blocks.grid import grid_of
from cntgraph.network.blocks.window import Side, Window

#: About so many sums are remembered: a network in training needs the same few again.
_REMEMBERED = 1 << 14


@dataclass(frozen=True, eq=False)
class TapSums:
    """How values at the taps of a kernel are summed, at each position, over those that cover it.

    Positions in the interior are all covered alike, so only the few distinct coverings of an axis
    are summed, one axis after the other.

    Parameters
    ----------
    classes : tuple of AxisClasses
        Which positions are covered alike, along each spatial axis.
    n_taps : int
        How many values are given: one per tap, in C order.
    additions : ndarray of int64, shape (n, 3)
        Each makes one more value, of those before it: the place of the first that is added, how
        far it is to the next, and how many there are. The last values of all are the sums.

    Examples
    --------
    >>> sums = TapSums.of((Window(fine=4, coarse=4, kernel=3, before=1),), "coarse")
    >>> sums.additions
    array([[1, 1, 2],
           [0, 1, 3],
           [0, 1, 2]])
    >>> sums.of_table(np.array([[1.0, 10.0, 100.0]])).values()
    array([110., 111., 111.,  11.])
    """

    classes: tuple[AxisClasses, ...]
    n_taps: int
    additions: NDArray[np.int64]

    @staticmethod
    def of(windows: tuple[Window, ...], side: Side) -> TapSums:
        """Return how values are summed at the positions of one side: one window per axis."""
        about = prod(2 * window.kernel + window.stride for window in windows)
        return (_remembered if about <= _REMEMBERED else _tap_sums)(windows, side)

    @property
    def n_sums(self) -> int:
        """How many sums there are: combinations of classes."""
        return prod(axis.n_classes for axis in self.classes)

    def of_table(self, table: Values) -> ClassValues:
        """Return the sums of values of channels, shape (channels, *kernel), at every position.

        Only what covers a position is added, so that a weight which is not a number stays where
        it is.
        """
        from cntgraph.core.kernels.tap_sums import sum_taps

        n_channels, sums = len(table), table
        if len(self.additions) or not self.n_sums:
            sums = np.empty((n_channels, self.n_sums))
            sum_taps(table.reshape(n_channels, self.n_taps), self.additions, sums)
        return self.at_positions(sums, n_channels)

    def at_positions(self, sums: Values, n_channels: int) -> ClassValues:
        """Return the sums of channels, known at each class of positions, at every position."""
        grid = grid_of((AxisClasses.own(n_channels), *self.classes))
        return ClassValues(sums.reshape(grid.table_shape), grid)


def _tap_sums(windows: tuple[Window, ...], side: Side) -> TapSums:
    covers = [getattr(window, f"{side}_classes") for window in windows]
    steps = [*_additions([cover.taps for cover in covers])]
    additions = np.concatenate([np.empty((0, 3), np.int64), *steps])
    n_taps = prod(window.kernel for window in windows)
    return TapSums(tuple(cover.classes for cover in covers), n_taps, additions)


_remembered = lru_cache(maxsize=256)(_tap_sums)


def _additions(covers: Sequence[NDArray[np.bool_]]) -> Iterator[NDArray[np.int64]]:
    """Yield the additions along each axis, whose taps cover its classes so: (taps, classes)."""
    shape, start = [len(cover) for cover in covers], 0
    for axis, cover in enumerate(covers):
        if cover.shape == (1, 1) and cover.all():  # of one tap
            continue
        places = start + np.arange(prod(shape)).reshape(shape)
        start += prod(shape)
        progression = _Progression.of(cover)
        shape[axis] = cover.shape[1]
        first = places.take(progression.first, axis)
        along = [-1 if k == axis else 1 for k in range(len(shape))]
        step = progression.step.reshape(along) * prod(shape[axis + 1 :])
        n = progression.n.reshape(along)
        yield np.stack(np.broadcast_arrays(first, step, n), axis=-1).reshape(-1, 3)


class _Progression(NamedTuple):
    """The taps that cover each class of positions: a first one, then every so many."""

    first: NDArray[np.int64]
    step: NDArray[np.int64]
    n: NDArray[np.int64]

    @classmethod
    def of(cls, cover: NDArray[np.bool_]) -> _Progression:
        first, n = cover.argmax(axis=0), cover.sum(axis=0)
        last = len(cover) - 1 - cover[::-1].argmax(axis=0)
        return cls(first, (last - first) // np.maximum(n - 1, 1), n)
