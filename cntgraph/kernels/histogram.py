"""Counting values in bins that widen away from a centre; `cntgraph.blocks.histogram` says which."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Values looked at together, in cache.
_PART = 1024


@njit(cache=True, nogil=True)
def count_values(values, centre, scale, per_octave_bits, side, counts):
    """Add values, shape (n,), to ``counts``: below, 2 * side bins, above, not finite.

    With v = 1 + |x - centre| * scale, the bin is that of the exponent of v and of the first
    bits of its mantissa, which are the first bits of a float64 as they stand.
    """
    shift, zero = 52 - per_octave_bits, 1023 << per_octave_bits
    offsets, sizes = np.empty(_PART), np.empty(_PART)
    bits, signs = sizes.view(np.int64), offsets.view(np.int64)
    for start in range(0, values.size, _PART):
        n = min(_PART, values.size - start)
        for k in range(n):
            offsets[k] = (np.float64(values[start + k]) - centre) * scale
            sizes[k] = 1.0 + abs(offsets[k])
        for k in range(n):
            # Without a branch on the sign, which no processor can guess: ~p is -1 - p.
            bits[k] = ((bits[k] >> shift) - zero) ^ (signs[k] >> 63)
        for k in range(n):
            place = bits[k]
            if -side <= place < side:
                counts[1 + side + place] += 1
            elif not np.isfinite(values[start + k]):
                counts[2 * side + 2] += 1
            else:
                counts[2 * side + 1 if place > 0 else 0] += 1
