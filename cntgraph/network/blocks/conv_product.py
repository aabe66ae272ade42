"""ConvProduct: products of an unrolled convolution with vectors, tap by tap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod

import numpy as np

from cntgraph.core.computing import spread
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Values
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.blocks.window import Window

Slices = tuple[slice, ...]

#: Bytes of a part of a kernel that is worth sending values to where it is read.
_PART_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class ConvProduct:
    """Products with f(K), by one matrix product a tap, over the positions at which it is a node.

    Those of a large kernel are computed part by part, each of some channels of what comes out, on
    whichever workers `computing_on` names. Several columns of values are one more axis of
    positions, which no tap moves along.

    Parameters
    ----------
    weight : Recipe
        Shape (coarse channels, fine channels / groups, *kernel).
    windows : tuple of Window
    groups : int
    transform : str
    """

    weight: Recipe
    windows: tuple[Window, ...]
    groups: int
    transform: Transform

    def to_coarse(self, values: Values) -> Values:
        """Correlate: what the coarse side receives from values on the fine side."""
        found = spread(partial(self._coarse_channels, values), self._parts(0, values))
        return _joined(list(found))

    def to_fine(self, values: Values) -> Values:
        """Do the transpose of `to_coarse`."""
        found = spread(partial(self._fine_channels, values), self._parts(1, values))
        return _joined(list(found))

    def _parts(self, axis: int, values: Values) -> list[tuple[int, int]]:
        """Return the channels of the parts; all at once where more is sent than is read there."""
        nbytes = prod(self.weight.shape) * self.weight.dtype.itemsize
        whole = self.groups > 1 or self.transform == "count"
        if whole or nbytes < 2 * _PART_BYTES or values.nbytes > nbytes:
            check_memory(8 * prod(self.weight.shape), f"a kernel of shape {self.weight.shape}")
            return [(0, self.weight.shape[axis])]
        return list(self.weight.chunks(_PART_BYTES, axis))

    def _coarse_channels(self, values: Values, channels: tuple[int, int]) -> Values:
        kernel, more = self._kernel(0, channels), values.shape[1:]
        fine = values.reshape(self.groups, kernel.shape[2], *(w.fine for w in self.windows), *more)
        sizes = (w.coarse for w in self.windows)
        coarse = np.zeros((self.groups, kernel.shape[1], *sizes, *more))
        for t, (on_fine, on_coarse) in enumerate(self._taps()):
            moved = kernel[..., t] @ _by_channel(fine[on_fine])
            coarse[on_coarse] += moved.reshape(coarse[on_coarse].shape)
        return coarse.reshape(-1, *more)

    def _fine_channels(self, values: Values, channels: tuple[int, int]) -> Values:
        kernel, more = self._kernel(1, channels), values.shape[1:]
        sizes = (w.coarse for w in self.windows)
        coarse = values.reshape(self.groups, kernel.shape[1], *sizes, *more)
        fine = np.zeros((self.groups, kernel.shape[2], *(w.fine for w in self.windows), *more))
        for t, (on_fine, on_coarse) in enumerate(self._taps()):
            moved = kernel[..., t].mT @ _by_channel(coarse[on_coarse])
            fine[on_fine] += moved.reshape(fine[on_fine].shape)
        return fine.reshape(-1, *more)

    def _kernel(self, axis: int, channels: tuple[int, int]) -> Values:
        """Return some of f(K): (groups, coarse channels, fine channels of a group, taps)."""
        if self.transform == "count":
            kernel = np.ones(self.weight.shape)
        else:
            kernel = apply_transform(self.weight.read(axis, *channels), self.transform)
        n_coarse, n_fine = kernel.shape[:2]
        return kernel.reshape(self.groups, n_coarse // self.groups, n_fine, -1)

    def _taps(self) -> Iterator[tuple[Slices, Slices]]:
        """Yield, tap by tap, the positions it connects, as slices of (group, channel, *axes)."""
        everything = (slice(None), slice(None))
        for taps in product(*(range(w.kernel) for w in self.windows)):
            places = [w.tap(t) for w, t in zip(self.windows, taps, strict=True)]
            fine = tuple(place.fine for place in places)
            coarse = tuple(place.coarse for place in places)
            yield everything + fine, everything + coarse


def _joined(parts: list[Values]) -> Values:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _by_channel(values: Values) -> Values:
    """Return values of shape (groups, channels, all positions)."""
    return values.reshape(*values.shape[:2], prod(values.shape[2:]))
