"""Sums over pairs of numbers, before and after, in one pass."""

from __future__ import annotations

from numba import njit

#: Sums of the squares before, after and of the differences, and of the products.
BEFORE, AFTER, BETWEEN, PRODUCT = range(4)
SUMS_SIZE = 4

# Sums may be reassociated (so that they vectorize); NaN and infinity keep their meaning.
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_pairs(a, b, sums):
    """Add pairs of floats, shape (n,), to `sums` in float64; return how many changed sign."""
    before, after, between, product, flipped = 0.0, 0.0, 0.0, 0.0, 0
    for k in range(a.size):
        x, y = float(a[k]), float(b[k])
        change = y - x
        before += x * x
        after += y * y
        between += change * change
        product += x * y
        flipped += ((x < 0.0) & (y > 0.0)) | ((x > 0.0) & (y < 0.0))
    sums[BEFORE] += before
    sums[AFTER] += after
    sums[BETWEEN] += between
    sums[PRODUCT] += product
    return flipped
