"""FourBitFloats: floats of four bits (E2M1), of which some neighbors share a scale.

MXFP4 shares a power of two among 32 of them, NVFP4 an 8-bit float among 16, and one among all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.weights.packed.fields import unpacked
from cntgraph.adapters.weights.packed.packed_array import PackedArray, Values, places
from cntgraph.core.parameter import Parameter, storage_dtype, widen

#: The value of each of the 16 patterns: a sign, an exponent of two bits and a mantissa of one.
E2M1 = np.array([sign * size for sign in (1.0, -1.0) for size in (0, 0.5, 1, 1.5, 2, 3, 4, 6)],
                dtype=np.float32)  # fmt: skip


#: What the bits of a scale are, and how many values share one.
_KINDS = {"MXFP4": ("float8_e8m0fnu", 32), "NVFP4": ("float8_e4m3fn", 16)}


@dataclass(frozen=True, eq=False)
class FourBitFloats(PackedArray):
    """A weight whose last axis is packed: two values in a byte, the first in its lower bits.

    Parameters
    ----------
    kind : {"MXFP4", "NVFP4"}
        Which values share a scale, and of which type it is.
    codes : Parameter
        Bytes, or words of several, of shape (..., inputs / values of one); or (..., groups, 16).
    scales : Parameter
        Of shape (..., groups).
    whole : Parameter, optional
        A single value by which all are divided.
    """

    shape: tuple[int, ...]
    kind: str
    codes: Parameter
    scales: Parameter
    whole: Parameter | None = None

    @classmethod
    def of(
        cls, kind: str, codes: Parameter, scales: Parameter, whole: Parameter | None = None
    ) -> FourBitFloats | None:
        """Return the weight of some tensors; None where they do not fit each other."""
        group, each = _KINDS[kind][1], 2 * storage_dtype(codes.dtype).itemsize
        shape = (*scales.shape[:-1], group * scales.shape[-1])
        in_words, in_blocks = (*shape[:-1], shape[-1] // each), (*scales.shape, group // each)
        if codes.shape not in (in_words, in_blocks) or (whole is not None and whole.size != 1):
            return None
        return cls(shape, kind, codes, scales, whole)

    @property
    def note(self) -> str:
        """How it is packed."""
        return f"{self.kind} in groups of {_KINDS[self.kind][1]}"

    def box(self, *part: range) -> Values:
        """Return the values of a range along each axis."""
        dtype, group = _KINDS[self.kind]
        before, last = tuple(places(along) for along in part[:-1]), part[-1]
        first, stop = last.start // group, -(-last.stop // group)
        each = self.shape[-1] // self.codes.shape[len(before)]  # values of a word, or of a block
        some = slice(first * group // each, stop * group // each)
        stored = np.asarray(self.codes.data[(*before, some)])
        codes = unpacked(stored, 4, 0, 2 * stored.itemsize * stored.shape[-1])
        sizes = *(len(along) for along in part[:-1]), stop - first
        found = E2M1[codes.reshape(*sizes, group)]
        scale = np.asarray(self.scales.data[(*before, slice(first, stop))])
        found *= widen(scale.view(np.uint8), dtype)[..., None]
        if self.whole is not None:
            found /= np.float32(self.whole.read().reshape(()))
        skipped = last.start - first * group
        return found.reshape(*sizes[:-1], -1)[..., skipped : skipped + len(last)]
