"""FourBitFloats: floats of four bits (E2M1), of which some neighbors share a scale.

MXFP4 shares a power of two among 32 of them, NVFP4 an 8-bit float among 16, and one among all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.weights.packed.packed_array import PackedArray, Values, places
from cntgraph.core.parameter import Parameter, widen

#: The value of each of the 16 patterns: a sign, an exponent of two bits and a mantissa of one.
E2M1 = np.array([sign * size for sign in (1.0, -1.0) for size in (0, 0.5, 1, 1.5, 2, 3, 4, 6)],
                dtype=np.float32)  # fmt: skip


@dataclass(frozen=True, eq=False)
class FourBitFloats(PackedArray):
    """A weight whose last axis is packed: two values in a byte, the first in its lower bits.

    Parameters
    ----------
    codes : Parameter
        Bytes, or words of several, of shape (..., inputs / values of one); or (..., groups, 16).
    scales : Parameter
        Of shape (..., groups).
    kind : str
        What the bits of `scales` are: ``"float8_e8m0fnu"``, ``"float8_e4m3fn"``.
    group : int
        Values that share a scale.
    whole : Parameter, optional
        A single value by which all are divided.
    """

    shape: tuple[int, ...]
    codes: Parameter
    scales: Parameter
    kind: str
    group: int
    whole: Parameter | None = None

    def box(self, *part: range) -> Values:
        """Return the values of a range along each axis."""
        before, last = tuple(places(along) for along in part[:-1]), part[-1]
        first, stop = last.start // self.group, -(-last.stop // self.group)
        in_blocks = len(self.codes.shape) > len(self.shape)
        words = self.shape[-1] // self.codes.shape[-1]  # values of one word
        start, end = (k if in_blocks else k * self.group // words for k in (first, stop))
        stored = np.ascontiguousarray(self.codes.data[(*before, slice(start, end))])
        stored = stored.astype(stored.dtype.newbyteorder("<"), copy=False).view(np.uint8)
        both = np.stack([stored & 15, stored >> 4], axis=-1)
        sizes = *(len(along) for along in part[:-1]), stop - first
        found = E2M1[both.reshape(*sizes, self.group)]
        scale = np.asarray(self.scales.data[(*before, slice(first, stop))])
        found *= widen(scale.view(np.uint8), self.kind)[..., None]
        if self.whole is not None:
            found /= np.float32(self.whole.read().reshape(()))
        skipped = last.start - first * self.group
        return found.reshape(*sizes[:-1], -1)[..., skipped : skipped + len(last)]
