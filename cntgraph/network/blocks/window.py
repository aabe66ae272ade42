"""Window: how one spatial axis of a convolution or a pooling slides over its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import GraphSizeError, ParameterError
from cntgraph.core.types import Values
from cntgraph.network.blocks.axis_classes import AxisClasses

Side = Literal["fine", "coarse"]

#: Positions of one axis, and what a stride, a dilation or a padding may be.
MAX_POSITIONS, _MAX_STEP = 1 << 24, 1 << 32
#: Taps of all positions of an axis, where there is one entry for each; edges, which take 24 bytes.
_MAX_COVER, _MAX_PAIRS = 1 << 28, 1 << 26


def check_positions(*sizes: int) -> None:
    """Raise if an axis would have fewer than no positions, or far more than networks have.

    Raises
    ------
    ParameterError, GraphSizeError

    Examples
    --------
    >>> check_positions(224, 112)
    """
    if min(sizes) < 0:
        raise ParameterError(f"expected an axis of 0 positions or more, got {min(sizes)}")
    if max(sizes) > MAX_POSITIONS:
        raise GraphSizeError(
            f"expected an axis of at most {MAX_POSITIONS:,} positions, got {max(sizes):,}"
        )


class Tap(NamedTuple):
    """The positions that one kernel position connects: ``fine[i]`` with ``coarse[i]``."""

    fine: slice
    coarse: slice


@dataclass(frozen=True)
class Window:
    """One axis of a sliding window: tap t of coarse position o lies at fine o·s − p + t·d.

    A convolution reads the fine side and writes the coarse side; a transposed convolution the
    other way round. A tap that falls outside the fine side is padding: no edge.

    Parameters
    ----------
    fine, coarse : int
        Number of positions on either side.
    kernel : int
        Number of taps.
    stride, dilation : int, default 1
        The s and d above.
    before : int, default 0
        The padding p in front (may be negative: a crop). What stands behind follows from
        the sizes.

    Examples
    --------
    >>> w = Window(fine=5, coarse=3, kernel=3, stride=2, before=1)
    >>> w.tap(0)
    Tap(fine=slice(1, 4, 2), coarse=slice(1, 3, None))
    >>> w.coarse_cover.astype(int)
    array([[0, 1, 1],
           [1, 1, 1],
           [1, 1, 0]])
    """

    fine: int
    coarse: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    def __post_init__(self) -> None:
        if min(self.fine, self.coarse) < 0 or min(self.kernel, self.stride, self.dilation) < 1:
            raise ParameterError(
                f"expected sizes >= 0 and kernel, stride, dilation >= 1; got {self}"
            )
        check_positions(self.fine, self.coarse)
        steps = max(self.stride, self.dilation, abs(self.before))
        if self.kernel > MAX_POSITIONS or steps > _MAX_STEP:
            raise GraphSizeError(
                f"expected a kernel of at most {MAX_POSITIONS:,} taps and steps of at most "
                f"{_MAX_STEP:,}; got {self}"
            )

    def tap(self, t: int) -> Tap:
        """Return the positions that tap `t` connects, as two slices of equal length."""
        shift = t * self.dilation - self.before
        first = max(0, -(shift // self.stride))
        last = min(self.coarse - 1, (self.fine - 1 - shift) // self.stride)
        if last < first:
            return Tap(slice(0, 0), slice(0, 0))
        fine_first = first * self.stride + shift
        fine_last = last * self.stride + shift
        return Tap(slice(fine_first, fine_last + 1, self.stride), slice(first, last + 1))

    @cached_property
    def coarse_cover(self) -> NDArray[np.bool_]:
        """Whether tap t of coarse position o is a node, shape (kernel, coarse)."""
        return self._cover(self.coarse, lambda tap: tap.coarse)

    @cached_property
    def fine_cover(self) -> NDArray[np.bool_]:
        """Whether fine position p is read by tap t, shape (kernel, fine)."""
        return self._cover(self.fine, lambda tap: tap.fine)

    @cached_property
    def coarse_classes(self) -> Cover:
        """The coarse positions that are covered alike."""
        return _classes(self.coarse_cover)

    @cached_property
    def fine_classes(self) -> Cover:
        """The fine positions that are covered alike."""
        return _classes(self.fine_cover)

    def _cover(self, n: int, side: Callable[[Tap], slice]) -> NDArray[np.bool_]:
        if self.kernel * n > _MAX_COVER:
            raise GraphSizeError(
                f"expected at most {_MAX_COVER:,} taps over the positions of an axis, got "
                f"{self.kernel:,} taps at {n:,} positions: {self}"
            )
        cover = np.zeros((self.kernel, n), dtype=bool)
        for t in np.flatnonzero(self._firsts_and_lengths[1]):
            cover[t, side(self.tap(int(t)))] = True
        return cover

    @cached_property
    def _firsts_and_lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first coarse position that each tap connects, and how many follow it."""
        shift = np.arange(self.kernel) * self.dilation - self.before
        first = np.maximum(-(shift // self.stride), 0)
        last = np.minimum((self.fine - 1 - shift) // self.stride, self.coarse - 1)
        return first, np.maximum(last - first + 1, 0)

    @property
    def edges_per_tap(self) -> NDArray[np.int64]:
        """How many pairs of positions each tap connects, shape (kernel,)."""
        return self._firsts_and_lengths[1]

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return all (fine, coarse, tap) triples that are edges, as three arrays."""
        first, lengths = self._firsts_and_lengths
        n = int(lengths.sum())
        if n > _MAX_PAIRS:
            raise GraphSizeError(f"expected at most {_MAX_PAIRS:,} edges along an axis, got {n:,}")
        tap = np.repeat(np.arange(self.kernel), lengths)
        before = np.cumsum(lengths) - lengths
        coarse = np.arange(n) + (first - before)[tap]
        return coarse * self.stride + tap * self.dilation - self.before, coarse, tap


class Cover(NamedTuple):
    """Which positions of an axis are alike, and which taps cover each class, (kernel, classes)."""

    classes: AxisClasses
    taps: NDArray[np.bool_]


def count_per_tap(
    windows: Sequence[Window], side: Side, n_channels: int, chosen: NDArray[np.bool_] | None
) -> Values:
    """Return how many positions of one side each tap connects, channel by channel.

    Parameters
    ----------
    windows : sequence of Window
        One a spatial axis.
    side : {"fine", "coarse"}
    n_channels : int
        Channels of that side.
    chosen : ndarray of bool, shape (n_channels, *positions), optional
        The positions that count; by default all.

    Returns
    -------
    ndarray of float64, shape (n_channels, taps)

    Examples
    --------
    >>> windows = [Window(fine=4, coarse=4, kernel=3, before=1)]
    >>> count_per_tap(windows, "fine", 1, None)
    array([[3., 4., 3.]])
    >>> count_per_tap(windows, "fine", 1, np.array([[True, False, False, True]]))
    array([[1., 2., 1.]])
    """
    if chosen is None:
        lengths = (window.edges_per_tap.astype(np.float64) for window in windows)
        once = reduce(np.multiply.outer, lengths, np.ones(())).reshape(1, -1)
        return np.repeat(once, n_channels, axis=0)
    positions, found = tuple(range(1, chosen.ndim)), []
    some = chosen.any(axis=positions)  # where layers are concatenated, those of one of them
    chosen = chosen if some.all() else chosen[some]
    for taps in product(*(range(window.kernel) for window in windows)):
        places = (getattr(w.tap(t), side) for w, t in zip(windows, taps, strict=True))
        found.append(chosen[(slice(None), *places)].sum(axis=positions))
    counts = np.zeros((n_channels, len(found)))
    counts[some] = np.stack(found, axis=1)
    return counts


#: Entries of a cover whose classes are kept.
_REMEMBERED = 1 << 14


def _classes(cover: NDArray[np.bool_]) -> Cover:
    # Measured again and again, a network in training has the same few covers.
    found = _remembered_classes if cover.size <= _REMEMBERED else _distinct
    return found(cover.shape, cover.tobytes())


def _distinct(shape: tuple[int, ...], cover: bytes) -> Cover:
    columns = np.frombuffer(cover, np.bool_).reshape(shape)
    labels = np.unique(columns, axis=1, return_inverse=True)[1]
    classes = AxisClasses.of(labels.reshape(-1))
    return Cover(classes, columns.take(classes.first, axis=1))


_remembered_classes = lru_cache(maxsize=256)(_distinct)
