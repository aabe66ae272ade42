"""Fields: small whole numbers in the words of a matrix, one after another along an axis.

The first lies in the lowest bits of the first word, and so on; one may begin in a word and end in
the next, as numbers of 3, 5 and 6 bits do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.weights.packed.packed_array import places
from cntgraph.core.parameter import Parameter

Numbers = NDArray[np.uint8]


@dataclass(frozen=True)
class Fields:
    """A matrix of whole numbers of a few bits each.

    Parameters
    ----------
    words : Parameter
        What they lie in: a matrix of whole numbers.
    bits : int
        Of each, from 1 to 8.
    axis : int
        The axis along which they are packed.
    order : tuple of int, default ()
        The places in a word of those that belong into it, where they do not lie in order.

    Examples
    --------
    >>> words = Parameter.from_array("w", np.array([[0x21], [0x43]], np.int32))
    >>> Fields(words, 4, 1).box(range(2), range(3))
    array([[1, 2, 0],
           [3, 4, 0]], dtype=uint8)
    """

    words: Parameter
    bits: int
    axis: int
    order: tuple[int, ...] = ()

    def box(self, rows: range, columns: range) -> Numbers:
        """Return the numbers of some rows and columns, of which only these are read."""
        along, across = (rows, columns) if self.axis == 0 else (columns, rows)
        width = 8 * self.words.nbytes // max(self.words.size, 1)
        first = along.start * self.bits // width
        last = -(-along.stop * self.bits // width)
        key = [slice(first, last), places(across)]
        words = self.words.data[tuple(key if self.axis == 0 else key[::-1])]
        words = words.T if self.axis == 0 else words
        skipped = along.start - first * width // self.bits if self.order else 0
        bit = 0 if self.order else along.start * self.bits - first * width
        n = (last - first) * width // self.bits if self.order else len(along)
        found = unpacked(words, self.bits, bit, n)
        if self.order:
            found = found.reshape(len(across), -1, len(self.order))[..., self.order]
            found = found.reshape(len(across), -1)[:, skipped : skipped + len(along)]
        return found.T if self.axis == 0 else found


def unpacked(words: NDArray[np.integer], bits: int, bit: int, n: int) -> Numbers:
    """Return `n` numbers of some bits each along the last axis of words, from a bit on.

    Examples
    --------
    >>> unpacked(np.array([0b111_010_001], np.uint16), 3, 3, 2)
    array([2, 7], dtype=uint8)
    """
    raw = np.ascontiguousarray(words, words.dtype.newbyteorder("<")).view(np.uint8)
    if 8 % bits == 0:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        each = (raw[..., None] >> shifts) & np.uint8((1 << bits) - 1)
        first = bit // bits
        return np.asarray(each.reshape(*raw.shape[:-1], -1)[..., first : first + n])
    single = np.unpackbits(raw, axis=-1, bitorder="little")[..., bit : bit + n * bits]
    values = single.reshape(*raw.shape[:-1], n, bits) << np.arange(bits, dtype=np.uint8)
    return np.asarray(values.sum(axis=-1, dtype=np.uint8))
