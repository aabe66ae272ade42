"""Moments of many nodes over samples: a batch is looked at in parts that stay in cache.

The state of n nodes is a float64 array of shape (STATE_SIZE, n), laid out as the constants below
say; the number of samples, the same for all nodes, is kept beside it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Where each quantity stands in the state. M2 and M3 are sums of powers of x - mean.
MEAN, M2, M3, LOW, HIGH, N_ACTIVE = range(6)
STATE_SIZE = 6
#: Nodes that are looked at together.
_WIDTH = 512


@njit(cache=True, nogil=True)
def add_batch(values, first, last, state, n_before):
    """Add the samples of one batch to the state of some nodes, in place.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_nodes)
        At least one sample.
    first, last : int
        The nodes.
    state : ndarray of float64, shape (STATE_SIZE, n_nodes)
    n_before : int
        The number of samples that the state is of.
    """
    n = values.shape[0]
    own = np.empty((STATE_SIZE, _WIDTH))
    for start in range(first, last, _WIDTH):
        stop = min(start + _WIDTH, last)
        _look(values[:, start:stop], own)
        if n_before == 0:
            state[:, start:stop] = own[:, : stop - start]
        else:
            merge_moments(state[:, start:stop], n_before, own, n)


@njit(cache=True, nogil=True)
def _look(values, own):
    """Write the state of a few nodes over the samples of one batch."""
    n, width = values.shape
    mean, m2, m3, low, high, active = own
    for j in range(width):
        mean[j] = m2[j] = m3[j] = active[j] = 0.0
        low[j], high[j] = np.inf, -np.inf
    for k in range(n):
        for j in range(width):
            x = np.float64(values[k, j])
            mean[j] += x
            low[j] = x if x < low[j] else low[j]
            high[j] = x if x > high[j] else high[j]
            active[j] += 1.0 if x > 0.0 else 0.0
    for j in range(width):
        mean[j] /= n
    for k in range(n):
        for j in range(width):
            d = np.float64(values[k, j]) - mean[j]
            m2[j] += d * d
            m3[j] += d * d * d


@njit(cache=True, nogil=True)
def merge_moments(state, n_before, other, n_other):
    """Add the state of other samples to one, in place.

    Parameters
    ----------
    state, other : ndarray of float64, shape (STATE_SIZE, n_nodes)
    n_before, n_other : int
        The numbers of samples of each.
    """
    n = n_before + n_other
    share = n_other / n
    for j in range(state.shape[1]):
        d = other[MEAN, j] - state[MEAN, j]
        both = d * d * n_before * share
        state[M3, j] += (
            other[M3, j]
            + both * d * (n_before - n_other) / n
            + 3.0 * d * (n_before * other[M2, j] - n_other * state[M2, j]) / n
        )
        state[M2, j] += other[M2, j] + both
        state[MEAN, j] += d * share
        state[LOW, j] = min(state[LOW, j], other[LOW, j])
        state[HIGH, j] = max(state[HIGH, j], other[HIGH, j])
        state[N_ACTIVE, j] += other[N_ACTIVE, j]
