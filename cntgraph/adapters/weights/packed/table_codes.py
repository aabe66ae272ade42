"""TableCodes: four bits that say which value of a table, times the largest value of a block.

Blocks run through the whole weight, row after row, and may end anywhere in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from cntgraph.adapters.weights.packed.packed_array import PackedArray, Values
from cntgraph.core.parameter import Parameter


@dataclass(frozen=True, eq=False)
class BlockScales:
    """The largest values of blocks, which may be packed themselves: 8 bits and a table.

    Parameters
    ----------
    stored : Parameter
        Floats; or bytes, where there is a `table`.
    table, scales : Parameter, optional
        The values of the bytes, and what those of each block of them are multiplied by.
    block : int
        How many share one of `scales`.
    offset : float
        What is added to each.
    """

    stored: Parameter
    table: Parameter | None = None
    scales: BlockScales | None = None
    block: int = 1
    offset: float = 0.0

    def of(self, first: int, stop: int) -> Values:
        """Return those of some blocks."""
        found = self.stored.read(0, first, stop)
        if self.table is not None and self.scales is not None:
            found = self.table.read()[found.astype(np.int64)]
            low = first // self.block
            each = self.scales.of(low, -(-stop // self.block))
            found = found * each[np.arange(first, stop) // self.block - low]
        return (found + self.offset).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TableCodes(PackedArray):
    """A weight in bytes of two values each, the first in the higher bits.

    Parameters
    ----------
    codes : Parameter
        The bytes, of shape (n, 1) or (n,), (1, n).
    table : Parameter
        The 16 values.
    scales : BlockScales
        What they are multiplied by.
    block : int
        Values of a block.
    """

    shape: tuple[int, ...]
    codes: Parameter
    table: Parameter
    scales: BlockScales
    block: int

    def box(self, *part: range) -> Values:
        """Return the values of a range along each axis, of whole ones after the first."""
        row = prod(self.shape[1:])
        found = self._run(part[0].start * row, part[0].stop * row)
        found = found.reshape(len(part[0]), *self.shape[1:])
        return found[(slice(None), *(slice(p.start, p.stop) for p in part[1:]))]

    def _run(self, first: int, stop: int) -> Values:
        """Return values in the order in which they lie."""
        low, high = first // 2, -(-stop // 2)
        axis = max(range(len(self.codes.shape)), key=self.codes.shape.__getitem__)
        stored = self.codes.read_stored(axis, low, high).reshape(-1).view(np.uint8)
        both = np.stack([stored >> 4, stored & 15], axis=-1).reshape(-1)
        codes = both[first - 2 * low : stop - 2 * low]
        block = first // self.block
        scales = self.scales.of(block, -(-stop // self.block))
        at = np.arange(first, stop) // self.block - block
        return (self.table.read()[codes] * scales[at]).astype(np.float32)
