"""What is measured of many networks at once: each row of an array is one network's."""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.floats import value_of
from cntgraph.core.kernels.moments import is_zero, larger, lesser

#: The columns of statistics: how many values are finite, their mean, the sums of powers of the
#: deviations from it, the extremes, and how many are zero, not a number, infinite.
N, MEAN, M2, M3, M4, LEAST, LARGEST, N_ZERO, N_NAN, N_INF = range(10)

# Sums may be reassociated; what does so is inlined (see `moments`).
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_statistics(values, found):
    """Add the values of each row, shape (n, size), to the statistics of that row, (n, 10)."""
    row = np.empty(values.shape[1])
    for k in range(len(values)):
        total = _widen(values[k], row)
        if not np.isfinite(total):
            add_row(row, found[k])
        elif row.size:
            mean = total / row.size
            merge_statistics(row.size, mean, _powers(row, mean), extremes_of(row), found[k])


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_row(row, found):
    """Add values, some of which are not finite, to statistics; they are moved about."""
    n, mean = _set_apart(row, found)
    if n:
        merge_statistics(n, mean, _powers(row[:n], mean), extremes_of(row[:n]), found)


@njit(inline="always")
def _widen(values, row):
    """Copy values as float64, and return their sum."""
    total = 0.0
    for k in range(values.size):
        x = value_of(values[k])
        row[k] = x
        total += x
    return total


@njit(cache=True, nogil=True)
def _set_apart(row, found):
    """Move the finite values of a row to its front; return how many there are, and their mean."""
    n = 0
    for k in range(row.size):
        x = row[k]
        if np.isfinite(x):
            row[n] = x
            n += 1
        elif np.isnan(x):
            found[N_NAN] += 1
        else:
            found[N_INF] += 1
    mean = 0.0
    for k in range(n):
        mean += row[k] / n  # divided before they are added, so that nothing overflows
    return n, mean


@njit(inline="always")
def _powers(row, mean):
    """Return the sums of powers of the deviations from the mean."""
    m2, m3, m4 = 0.0, 0.0, 0.0
    for k in range(row.size):
        d = row[k] - mean
        square = d * d
        m2 += square
        m3 += square * d
        m4 += square * square
    return m2, m3, m4


@njit(cache=True, nogil=True)
def merge_statistics(size, mean, powers, extremes, found):
    """Add the statistics of finite values (for the powers, Pébay 2008, equation 3.1)."""
    m2, m3, m4 = powers
    least, largest, n_zero = extremes
    n, before, both = float(size), found[N], found[N] + size
    delta = mean - found[MEAN]
    ratio = delta / both
    spread = delta * ratio * before * n
    found[M4] += m4 + spread * ratio**2 * (before**2 - before * n + n**2)
    found[M4] += 6.0 * ratio**2 * (before**2 * m2 + n**2 * found[M2])
    found[M4] += 4.0 * ratio * (before * m3 - n * found[M3])
    found[M3] += m3 + spread * ratio * (before - n) + 3.0 * ratio * (before * m2 - n * found[M2])
    found[M2] += m2 + spread
    found[MEAN] = mean if before == 0.0 else found[MEAN] + ratio * n
    found[N] = both
    found[LEAST], found[LARGEST] = min(found[LEAST], least), max(found[LARGEST], largest)
    found[N_ZERO] += n_zero


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def extremes_of(row):
    """Return the least and the largest of finite values, as stored, and how many are zero."""
    least = largest = value_of(row[0])
    n_zero = np.int64(0)
    for k in range(row.size):
        x = value_of(row[k])
        least, largest = lesser(least, x), larger(largest, x)
        n_zero += is_zero(x)
    return least, largest, n_zero


@njit(cache=True, nogil=True, fastmath=_FAST)
def summarize_rows(table, shares, found):
    """Summarize the values of each row, shape (n, size), of which each has a share of the nodes.

    The shares add up to one. What is not finite counts as in NumPy; `found` has shape (n, 4).
    """
    for k in range(len(table)):
        row = table[k]
        mean = _weighted_sum(row, shares)
        least, largest = _finite_range(row) if np.isfinite(mean) else _range(row)
        found[k, 0], found[k, 1], found[k, 2], found[k, 3] = mean, np.nan, least, largest
        if least == largest:
            found[k, 0], found[k, 1] = least, 0.0 if np.isfinite(least) else np.nan
        elif np.isfinite(mean):
            found[k, 1] = np.sqrt(_variance(row, shares, mean))


@njit(inline="always")
def _weighted_sum(row, shares):
    total = 0.0
    for k in range(row.size):
        total += shares[k] * row[k]
    return total


@njit(inline="always")
def _variance(row, shares, mean):
    first, second = 0.0, 0.0
    for k in range(row.size):
        d = row[k] - mean
        first += shares[k] * d
        second += shares[k] * d * d
    variance = second - first * first  # the rounding of the mean is taken out again
    return 0.0 if variance < 0.0 else variance


@njit(inline="always")
def _finite_range(row):
    least = largest = row[0]
    for k in range(row.size):
        least, largest = lesser(least, row[k]), larger(largest, row[k])
    return least, largest


@njit(cache=True, nogil=True)
def _range(row):
    """Return the extremes of a row; NaN if there is one in it."""
    least, largest = row[0], row[0]
    for k in range(row.size):
        x = row[k]
        if np.isnan(x):
            return np.nan, np.nan
        least = x if x < least else least
        largest = x if x > largest else largest
    return least, largest
