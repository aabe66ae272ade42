"""Sums of powers and extremes of values that are in cache, in loops that vectorise.

A tally is two arrays: `powers`, float64, and `extremes`, int64, laid out as the constants below
say. `cntgraph.network.blocks.tally` makes statistics of it. Values are given as stored (`floats`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.floats import value_of

#: What is subtracted from values before their powers are added up, and the sums of the powers.
SHIFT, P1, P2, P3, P4 = range(5)
POWERS_SIZE = 5
#: The least and the largest key (`add_extremes`), and how many values are zero.
LEAST, LARGEST, N_ZERO = range(3)

#: Values looked at more than once while they are in the first cache.
_TILE = 1024
#: As many zeros can be counted in 16 bits, and in 8.
_COUNTED, _FEW_COUNTED = 1 << 14, 64

# Sums may be reassociated (so that they vectorise); NaN and infinity keep their meaning. How is up
# to the compiler, which may do it in one way for a function by itself and in another for what calls
# it: such functions are inlined, so that kernels compiled now and loaded from disk are the same.
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_moments(values, bits, powers, extremes):
    """Tally values, shape (n,); `bits` are the same floats as signed integers."""
    for start in range(0, values.size, _TILE):
        add_powers(values[start : start + _TILE], powers)
        add_extremes(bits[start : start + _TILE], extremes)


@njit(cache=True, nogil=True, fastmath=_FAST)
def mean_of(values):
    """Return the mean of values, shape (n,)."""
    total = 0.0
    for k in range(values.size):
        total += value_of(values[k])
    return total / values.size


@njit(inline="always")
def add_powers(values, powers):
    """Add the powers of values less a shift; the sums are not finite if one of them is not."""
    shift = powers[SHIFT]
    p1, p2, p3, p4 = 0.0, 0.0, 0.0, 0.0
    for k in range(values.size):
        d = value_of(values[k]) - shift
        square = d * d
        p1 += d
        p2 += square
        p3 += square * d
        p4 += square * square
    powers[P1] += p1
    powers[P2] += p2
    powers[P3] += p3
    powers[P4] += p4


@njit(cache=True, nogil=True)
def add_extremes(bits, extremes):
    """Hold floats, given as signed integers, against the extremes; count zeros.

    Their keys are integers in the order of the floats, NaN beyond infinity: comparing them
    vectorises, which comparing floats does not. A key's key is the bits.
    """
    step = _COUNTED if bits.itemsize > 1 else _FEW_COUNTED
    for start in range(0, bits.size, step):
        _add_extremes(bits[start : start + step], extremes)


@njit(cache=True, nogil=True)
def _add_extremes(bits, extremes):
    # All is done in integers of this very size: more of them fit in a register than of int64.
    kind = bits.dtype.type
    magnitude = kind(np.iinfo(bits.dtype).max)
    least, largest, n_zero = kind(extremes[LEAST]), kind(extremes[LARGEST]), kind(0)
    for k in range(bits.size):
        x = bits[k]
        key = kind(x ^ magnitude) if x < kind(0) else x
        least, largest = min(least, key), max(largest, key)
        n_zero = kind(n_zero + kind(kind(x & magnitude) == kind(0)))
    extremes[LEAST], extremes[LARGEST] = least, largest
    extremes[N_ZERO] += n_zero
