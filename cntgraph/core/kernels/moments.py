"""Moments of a chunk of weights in a few looks at memory that is still in cache.

The state is a float64 array laid out as the constants below say. Chunks fit in cache, so the
looks after the first cost no memory traffic; simple loops vectorise where one fused loop
does not. `cntgraph.network.blocks.statistics` cuts chunks, sets NaN and infinity apart, and merges.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Where each quantity stands in the state. M2, M3, M4 are sums of powers of x - mean.
COUNT, MEAN, M2, M3, M4, N_ZERO = range(6)
STATE_SIZE = 6


@njit(cache=True, nogil=True)
def finite_moments(values, mean, state):
    """Write the state of finite values, shape (n,), about a mean that may be rounded.

    Extremes are left to the caller: NumPy has vectorised loops for them.
    """
    m1, m2, m3, m4 = _powers(values, mean)
    n = values.size
    # `mean` is rounded; what is left in the first moment corrects the others.
    shift = m1 / max(n, 1)
    state[COUNT], state[MEAN] = n, mean + shift
    state[M2], state[M3] = m2 - shift * m1, m3 - 3.0 * shift * m2
    state[M4] = m4 - 4.0 * shift * m3
    state[N_ZERO] = _count_zeros(values)


# The sum that detects NaN and infinity may be reassociated, but must not assume them away.
@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def total(values):
    """Return the sum of values, shape (n,); not finite if one of them is not."""
    found = 0.0
    for k in range(values.size):
        found += np.float64(values[k])
    return found


@njit(cache=True, nogil=True, fastmath=True)
def _powers(values, mean):
    m1, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
    for k in range(values.size):
        d = np.float64(values[k]) - mean
        square = d * d
        m1 += d
        m2 += square
        m3 += square * d
        m4 += square * square
    return m1, m2, m3, m4


@njit(cache=True, nogil=True)
def _count_zeros(values):
    n_zero = 0
    for k in range(values.size):
        n_zero += 1 if values[k] == 0 else 0
    return n_zero
