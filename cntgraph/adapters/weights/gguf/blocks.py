"""Blocks: values that ggml packs together, so many neighbors of a row into so many bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.weights.packed.packed_array import PackedArray, Values, places
from cntgraph.adapters.weights.stored import StoredArray
from cntgraph.core.errors import require


@dataclass(frozen=True, eq=False)
class Blocks(PackedArray):
    """A tensor of a type that the package ``gguf`` unpacks.

    Parameters
    ----------
    kind : int
        The format's number of the type.
    block, nbytes : int
        Values of a block, and the bytes that they take.
    stored : StoredArray
        The bytes, a row of them for a row of values.
    """

    shape: tuple[int, ...]
    kind: int
    block: int
    nbytes: int
    stored: StoredArray

    def box(self, *part: range) -> Values:
        """Return the values of a range along each axis."""
        quants = require("gguf.quants", "gguf", needed_for="reading packed tensors of GGUF")
        constants = require("gguf.constants", "gguf", needed_for="reading packed tensors of GGUF")
        last, before = part[-1], tuple(places(along) for along in part[:-1])
        first, stop = last.start // self.block, -(-last.stop // self.block)
        raw = self.stored[(*before, slice(first * self.nbytes, stop * self.nbytes))]
        kind = constants.GGMLQuantizationType(self.kind)
        with np.errstate(all="ignore"):  # a scale may be anything
            found = quants.dequantize(np.ascontiguousarray(raw), kind)
        skipped = last.start - first * self.block
        return np.asarray(found[..., skipped : skipped + len(last)], np.float32)
