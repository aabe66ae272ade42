"""Counting values in bins that widen away from a center.

`cntgraph.network.blocks.histogram` says which.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Values looked at together, in cache.
_PART = 1024
#: Counters of one bin.
_APART = 4


@njit(cache=True, nogil=True)
def count_values(values, center, scale, per_octave_bits, side, counts):
    """Add values, shape (n,), to ``counts``: below, 2 * side bins, above, not finite.

    With v = 1 + |x - center| * scale, the bin is that of the exponent of v and of the first
    bits of its mantissa, which are the first bits of a float64 as they stand.
    """
    shift, zero = np.uint64(52 - per_octave_bits), 1023 << per_octave_bits
    sizes, places = np.empty(_PART), np.empty(_PART, np.int64)
    # Neighbors are counted apart: adding to one number twice in a row is waiting for it.
    apart = np.zeros((_APART, 2 * side), np.int64)
    for start in range(0, values.size, _PART):
        part = values[start : start + _PART]
        for k in range(part.size):
            sizes[k] = 1.0 + abs((np.float64(part[k]) - center) * scale)
        for k in range(part.size):
            place = np.int64(np.float64(sizes[k]).view(np.uint64) >> shift) - zero
            places[k] = side + (place if part[k] >= center else -1 - place)
        for k in range(part.size):
            place = places[k]
            if 0 <= place < 2 * side:
                apart[k % _APART, place] += 1
            elif not np.isfinite(part[k]):
                counts[2 * side + 2] += 1
            else:
                counts[2 * side + 1 if place > side else 0] += 1
    for k in range(_APART):
        for place in range(2 * side):
            counts[1 + place] += apart[k, place]
