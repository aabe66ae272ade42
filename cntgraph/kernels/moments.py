"""Moments of a chunk of weights in a few looks at memory that is still in cache.

The state is a float64 array laid out as the constants below say. Chunks fit in cache, so the
looks after the first cost no memory traffic; simple loops vectorise where one fused loop
does not. `cntgraph.blocks.statistics` merges chunks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Where each quantity stands in the state. M2, M3, M4 are sums of powers of x - mean.
COUNT, MEAN, M2, M3, M4, MINIMUM, MAXIMUM, N_ZERO, N_NAN, N_INF = range(10)
STATE_SIZE = 10


@njit(cache=True, nogil=True)
def chunk_moments(values, state):
    """Write the state of one chunk, shape (n,); NaN and Inf are counted and left out."""
    total = _sum(values)
    if np.isfinite(total) and values.size > 0:
        _finite_moments(values, total / values.size, state)
        state[N_NAN], state[N_INF] = 0.0, 0.0
        return
    finite = np.empty(values.size, values.dtype)
    n, n_nan, n_inf, total = 0, 0, 0, 0.0
    for k in range(values.size):
        if np.isnan(values[k]):
            n_nan += 1
        elif np.isinf(values[k]):
            n_inf += 1
        else:
            finite[n] = values[k]
            total += np.float64(values[k])
            n += 1
    _finite_moments(finite[:n], total / max(n, 1), state)
    state[N_NAN], state[N_INF] = n_nan, n_inf


# The sum that detects NaN and infinity may be reassociated, but must not assume them away.
@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def _sum(values):
    total = 0.0
    for k in range(values.size):
        total += np.float64(values[k])
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _finite_moments(values, mean, state):
    n = values.size
    low, high, n_zero = _extremes(values)
    m1, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
    for k in range(n):
        d = np.float64(values[k]) - mean
        square = d * d
        m1 += d
        m2 += square
        m3 += square * d
        m4 += square * square
    # `mean` is rounded; what is left in the first moment corrects the others.
    shift = m1 / max(n, 1)
    state[COUNT], state[MEAN] = n, mean + shift
    state[M2], state[M3] = m2 - shift * m1, m3 - 3.0 * shift * m2
    state[M4] = m4 - 4.0 * shift * m3
    state[MINIMUM], state[MAXIMUM], state[N_ZERO] = low, high, n_zero


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "nnan"})
def _extremes(values):
    low, high, n_zero = np.inf, -np.inf, 0
    for k in range(values.size):
        x = np.float64(values[k])
        low = x if x < low else low
        high = x if x > high else high
    for k in range(values.size):
        n_zero += 1 if values[k] == 0 else 0
    return low, high, n_zero
