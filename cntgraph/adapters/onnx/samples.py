"""A fixed batch: several samples, whose nodes are the same.

A model may be saved for a batch of several samples, whose axis may be anywhere once data were
moved, and merged with another. So every node id carries the number of its sample in its high
bits, which any movement of data keeps: `find` sees where the samples lie, and whatever computes
is done for one of them. Number 0 is for nodes that all samples share (learned tokens).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.onnx.values import Ids

#: Bits of a node id; the number of the sample stands above them.
_BITS = 40
_NODE = (1 << _BITS) - 1


class MixedSamplesError(Exception):
    """An operation reads several samples of a batch, or an array does not hold them side by side.

    The tracer cuts the graph there.
    """


@dataclass(frozen=True, eq=False)
class Samples:
    """Where the samples of a batch lie in an array.

    Parameters
    ----------
    axis : int or None
        The axis along which they lie; None where the array belongs to one of them, or to all.
    where : tuple of ndarray
        For each sample, its places along the axis.
    number : int, default 0
        Which sample an array without such an axis belongs to; 0 for all.
    """

    axis: int | None = None
    where: tuple[NDArray[np.int64], ...] = ()
    number: int = 0

    @property
    def alone(self) -> bool:
        """Whether the axis is the batch and nothing else, so that a sample does not have it."""
        return self.axis is not None and (not self.where or len(self.where[0]) == 1)

    def first(self, ids: Ids) -> Ids:
        """Return the node ids of the first sample, without the batch dimension."""
        if self.axis is None:
            return _unnumbered(ids)
        part = ids.take(self.where[0], self.axis) if self.where else ids
        return _unnumbered(part.squeeze(self.axis) if self.alone else part)

    def spread(self, ids: Ids, axis: int | None = None) -> Ids:
        """Return the ids of one sample as those of all, the batch dimension put back.

        Parameters
        ----------
        ids : ndarray of int64
            Of one sample.
        axis : int, optional
            Where the batch belongs, if the operation has moved it.

        Returns
        -------
        ndarray of int64
        """
        axis = self.axis if axis is None else axis
        if axis is None:
            return _numbered(ids, self.number)
        whole = np.expand_dims(ids, axis) if self.alone else ids
        if not self.where:
            return whole
        shape = list(whole.shape)
        shape[axis] = sum(len(places) for places in self.where)
        made = np.empty(shape, dtype=np.int64)
        for k, places in enumerate(self.where, start=1):
            made[(slice(None),) * axis + (places,)] = _numbered(whole, k)
        return made

    def agrees(self, other: Samples) -> bool:
        """Whether an operation may read arrays of both, value by value."""
        if self.axis is None and other.axis is None:
            return 0 in (self.number, other.number) or self.number == other.number
        if self.axis is None or other.axis is None:
            return (self if self.axis is None else other).number == 0
        if self.axis != other.axis or len(self.where) != len(other.where):
            return False
        return all(np.array_equal(a, b) for a, b in zip(self.where, other.where, strict=True))


def numbered(ids: Ids, axis: int, n: int) -> Ids:
    """Return the ids of one sample as those of a batch of `n`, along a new axis.

    Parameters
    ----------
    ids : ndarray of int64
        Of one sample.
    axis : int
        Where the batch dimension is put.
    n : int
        Number of samples.

    Returns
    -------
    ndarray of int64
    """
    if n == 1:
        return np.expand_dims(ids, axis)
    return np.stack([_numbered(ids, k) for k in range(1, n + 1)], axis)


def find(ids: Ids, n: int) -> Samples:
    """Return where the samples of a batch of `n` lie in an array.

    Parameters
    ----------
    ids : ndarray of int64
        Node ids with the numbers of their samples.
    n : int
        Number of samples.

    Returns
    -------
    Samples

    Raises
    ------
    MixedSamplesError
        If they do not lie along one axis.
    """
    if n == 1:
        return Samples(0) if ids.ndim > 1 and ids.shape[0] == 1 else Samples()
    numbers = ids >> _BITS  # -1 stays -1
    counted = numbers > 0
    axes = _changing(numbers, counted)
    if len(axes) > 1:
        raise MixedSamplesError
    if not axes:
        return _unmixed(ids, numbers, counted, n)
    (axis,) = axes
    others = tuple(k for k in range(ids.ndim) if k != axis)
    of_place = numbers.max(axis=others, initial=-1)
    if (of_place < 1).any():
        # Places without a numbered node, such as padding, go by the order of the samples.
        each = np.arange(len(of_place)) * n // len(of_place) + 1
        of_place = np.where(of_place < 1, each, of_place)
    where = tuple(np.flatnonzero(of_place == k) for k in range(1, n + 1))
    if len({len(places) for places in where}) != 1:
        raise MixedSamplesError
    nodes = [_unnumbered(ids.take(places, axis)) for places in where]
    if not all(np.array_equal(nodes[0], others) for others in nodes[1:]):
        raise MixedSamplesError  # one sample is not computed like another
    return Samples(axis, where)


def _unmixed(ids: Ids, numbers: Ids, counted: NDArray[np.bool_], n: int) -> Samples:
    """Return where samples lie in an array whose nodes all have one number, or none."""
    if counted.any():
        return Samples(number=int(numbers.max()))
    if ids.ndim > 1 and ids.shape[0] == n and (ids == ids[:1]).all():
        return Samples(0, tuple(np.array([k]) for k in range(n)))  # shared, once a sample
    return Samples()


def _changing(numbers: Ids, counted: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the axes along which the number changes."""
    high = np.where(counted, numbers, 0)
    low = np.where(counted, numbers, np.iinfo(np.int64).max)
    return tuple(
        axis
        for axis in range(numbers.ndim)
        if numbers.size and (high.max(axis) > low.min(axis)).any()
    )


def _numbered(ids: Ids, number: int) -> Ids:
    return ids if not number else np.where(ids < 0, -1, ids | (number << _BITS))


def _unnumbered(ids: Ids) -> Ids:
    return ids if not ids.size or ids.max() <= _NODE else np.where(ids < 0, -1, ids & _NODE)
