"""AxisClasses: which positions of an axis are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from cntgraph.core.types import Array, Ids, Values

#: Positions of an axis whose classes are kept for the next time they are met.
_REMEMBERED = 1 << 12


@dataclass(frozen=True, eq=False)
class AxisClasses:
    """A partition of the positions of an axis; classes are numbered as they are met.

    Parameters
    ----------
    n : int
        Number of positions.
    n_classes : int
        Number of classes; none is empty.
    labels : ndarray of int64, shape (n,), or None
        The class of each position; None where each has its own, or all have one.

    Examples
    --------
    >>> classes = AxisClasses.of(np.array([7, 5, 5, 7, 2]))
    >>> classes.index, classes.first, classes.counts
    (array([0, 1, 1, 0, 2]), array([0, 1, 4]), array([2., 2., 1.]))
    """

    n: int
    n_classes: int
    labels: Ids | None = None

    @classmethod
    def of(cls, labels: Array) -> AxisClasses:
        """Return the classes of positions with equal labels; small ones are the same object."""
        _, first, index = np.unique(labels, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        found = rank[index.reshape(-1)]
        if len(found) <= _REMEMBERED:
            return _remembered(found.tobytes())
        return cls(len(found), len(first), found)

    @classmethod
    def own(cls, n: int) -> AxisClasses:
        """Return the classes of positions of which no two are alike."""
        return _of_size(n, n)

    @classmethod
    def alike(cls, n: int) -> AxisClasses:
        """Return the one class of positions that are all alike."""
        return _of_size(n, min(n, 1))

    @cached_property
    def index(self) -> Ids:
        """The class of each position."""
        if self.labels is not None:
            return self.labels
        return np.arange(self.n) if self.n_classes == self.n else np.zeros(self.n, dtype=np.int64)

    @cached_property
    def first(self) -> Ids:
        """The first position of each class."""
        found = np.empty(self.n_classes, dtype=np.int64)
        found[self.index[::-1]] = np.arange(self.n - 1, -1, -1)
        return found

    @cached_property
    def counts(self) -> Values:
        """The number of positions of each class."""
        return np.bincount(self.index, minlength=self.n_classes).astype(np.float64)

    def within(self, finer: AxisClasses) -> Ids | None:
        """Return the class here of each class of a finer partition; None where they are the same.

        Parameters
        ----------
        finer : AxisClasses
            What `joined` has made of this one and others.
        """
        if finer is self or self.n_classes == 1 or self.n_classes == finer.n_classes:
            return None
        return self.index if finer.n_classes == self.n else self.index[finer.first]


def joined(axes: Sequence[AxisClasses]) -> AxisClasses:
    """Return the classes of positions that are alike in all of several partitions.

    Examples
    --------
    >>> halves, ends = AxisClasses.of(np.array([0, 0, 1, 1])), AxisClasses.of([0, 1, 1, 0])
    >>> joined([halves, ends]).index
    array([0, 1, 2, 3])
    """
    finest = max(axes, key=lambda axis: axis.n_classes)
    if all(axis is finest or axis.n_classes == 1 for axis in axes):
        return finest
    if finest.n_classes == finest.n:
        return finest
    different = tuple(dict.fromkeys(axes))
    return _remembered_joined(different) if finest.n <= _REMEMBERED else _joined(different)


def _joined(axes: tuple[AxisClasses, ...]) -> AxisClasses:
    labels = axes[0].index
    for axis in axes[1:]:
        labels = AxisClasses.of(labels * axis.n_classes + axis.index).index
    return AxisClasses.of(labels)


_remembered_joined = lru_cache(maxsize=1024)(_joined)


@lru_cache(maxsize=1024)
def _of_size(n: int, n_classes: int) -> AxisClasses:
    return AxisClasses(n, n_classes)


@lru_cache(maxsize=1024)
def _remembered(index: bytes) -> AxisClasses:
    found = np.frombuffer(index, dtype=np.int64).copy()  # kernels tell apart what is read-only
    return AxisClasses(len(found), int(found.max(initial=-1)) + 1, found)
