"""Where the samples of a batch are: their nodes are the same.

A model may be saved for a batch of several samples, whose axis may be anywhere once data were
moved, and merged with another. So every node id carries the number of its sample in its high
bits, which any movement of data keeps: `find` sees where the samples lie, and whatever computes
is done for one of them. Number 0 is for nodes that all samples share (learned tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.channels import changing_axes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.types import Ids

#: Bits of a node id; the number of the sample stands above them.
_BITS = 40
_NODE = (1 << _BITS) - 1


class MixedSamplesError(NotFollowed):
    """An operation reads several samples of a batch, or an array does not hold them side by side.

    The tracer cuts the graph there.
    """

    def __init__(self) -> None:
        super().__init__("it mixes the samples of a batch; a model is followed as it is evaluated")


@dataclass(frozen=True, eq=False)
class Samples:
    """Where the samples of a batch lie in an array.

    Parameters
    ----------
    axis : int or None
        The axis along which they lie; None where the array belongs to one of them, or to all.
    places : ndarray of int64, shape (samples, length of one), or None
        The places of each sample along the axis; None for a batch of one.
    number : int, default 0
        Which sample an array without such an axis belongs to; 0 for all.
    """

    axis: int | None = None
    places: NDArray[np.int64] | None = None
    number: int = 0

    @property
    def alone(self) -> bool:
        """Whether the axis is the batch and nothing else, so that a sample does not have it."""
        return self.axis is not None and (self.places is None or self.places.shape[1] == 1)

    def first(self, ids: Ids) -> Ids:
        """Return the node ids of the first sample, without the batch dimension."""
        if self.axis is None:
            return _unnumbered(ids)
        if self.places is None:
            return ids.squeeze(self.axis)  # a batch of one has no numbers
        part = ids.take(self.places[0], self.axis)
        return _unnumbered(part.squeeze(self.axis) if self.alone else part)

    def spread(self, ids: Ids, axis: int | None = None) -> Ids:
        """Return the ids of one sample as those of all, the batch dimension put back.

        Parameters
        ----------
        ids : ndarray of int64
            Of one sample.
        axis : int, optional
            Where the batch belongs, if the operation has moved it.
        """
        axis = self.axis if axis is None else axis
        if axis is None:
            return ids if not self.number else np.where(ids < 0, -1, ids | self.number << _BITS)
        whole = ids[(slice(None),) * axis + (np.newaxis,)] if self.alone else ids
        if self.places is None:
            return whole
        made = numbered(whole, axis, len(self.places))
        made = made.reshape(*whole.shape[:axis], -1, *whole.shape[axis + 1 :])
        order = np.argsort(self.places, axis=None)
        return made if (np.diff(order) == 1).all() else made.take(order, axis)

    @property
    def run(self) -> int | None:
        """How many values of one sample lie side by side along the axis; None if that varies."""
        if self.places is None:
            return 1
        n, size = self.places.shape
        gaps = np.flatnonzero(np.diff(self.places[0]) != 1)
        run = int(gaps[0]) + 1 if gaps.size else size
        if not run or size % run:
            return None
        regular = np.arange(n * size).reshape(-1, n, run).swapaxes(0, 1).reshape(n, size)
        return run if np.array_equal(self.places, regular) else None

    def axes(self, axes: Sequence[int]) -> list[int]:
        """Return axes of the array as those of a sample, which may not have the batch dimension."""
        if not self.alone or self.axis is None:
            return list(axes)
        return [k - (k > self.axis) for k in axes if k != self.axis]

    def agrees(self, other: Samples) -> bool:
        """Whether an operation may read arrays of both, value by value."""
        if self.axis is None and other.axis is None:
            return 0 in (self.number, other.number) or self.number == other.number
        if self.axis is None or other.axis is None:
            return (self if self.axis is None else other).number == 0
        if self.places is None or other.places is None:
            return self.axis == other.axis
        return self.axis == other.axis and np.array_equal(self.places, other.places)


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
    """
    whole = np.expand_dims(ids, axis)
    if n == 1:
        return whole
    numbers = np.arange(1, n + 1).reshape(-1, *(1,) * (ids.ndim - axis)) << _BITS
    made: Ids = whole | numbers
    return np.where(whole < 0, whole, made)


def one_a_sample(axis: int, n: int) -> Samples:
    """Return samples that lie one by one along an axis."""
    return Samples(axis, None if n == 1 else np.arange(n).reshape(n, 1))


def find(ids: Ids, n: int) -> Samples:
    """Return where the samples of a batch of `n` lie in an array.

    Parameters
    ----------
    ids : ndarray of int64
        Node ids with the numbers of their samples.
    n : int
        Number of samples; 0 where no axis holds samples.

    Raises
    ------
    MixedSamplesError
        If they do not lie along one axis, or are not alike.
    """
    if n < 2:
        return Samples(0) if n and ids.ndim > 1 and ids.shape[0] == 1 else Samples()
    for axis in (k for k, size in enumerate(ids.shape) if size == n):
        # Most often the samples are simply one beside the other.
        first = ids.take([0], axis).squeeze(axis)
        alike = first.max(initial=-1) > _NODE
        if alike and np.array_equal(ids, numbered(_unnumbered(first), axis, n)):
            return one_a_sample(axis, n)
    numbers = ids >> _BITS  # -1 stays -1
    counted = numbers > 0
    axes = changing_axes(numbers, counted)
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
    if not (np.bincount(of_place, minlength=n + 1)[1:] == len(of_place) / n).all():
        raise MixedSamplesError
    places = np.argsort(of_place, kind="stable").reshape(n, -1)
    in_order = np.moveaxis(_unnumbered(ids.take(places.reshape(-1), axis)), axis, 0)
    samples = in_order.reshape(n, -1)
    if not (samples == samples[:1]).all():
        raise MixedSamplesError  # one sample is not computed like another
    return Samples(axis, places)


def _unmixed(ids: Ids, numbers: Ids, counted: NDArray[np.bool_], n: int) -> Samples:
    """Return where samples lie in an array whose nodes all have one number, or none."""
    if counted.any():
        return Samples(number=int(numbers.max()))
    if ids.ndim > 1 and ids.shape[0] == n and (ids == ids[:1]).all():
        return one_a_sample(0, n)  # shared, once a sample
    return Samples()


def _unnumbered(ids: Ids) -> Ids:
    return ids if not ids.size or ids.max() <= _NODE else np.where(ids < 0, ids, ids & _NODE)
