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
def batch_moments(values, first, last, state):
    """Write the state of some nodes over the samples of one batch.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_nodes)
        At least one sample.
    first, last : int
        The nodes.
    state : ndarray of float64, shape (STATE_SIZE, n_nodes)
    """
    n = values.shape[0]
    for start in range(first, last, _WIDTH):
        stop = min(start + _WIDTH, last)
        part = state[:, start:stop]
        width = stop - start
        for j in range(width):
            part[MEAN, j] = part[M2, j] = part[M3, j] = part[N_ACTIVE, j] = 0.0
            part[LOW, j], part[HIGH, j] = np.inf, -np.inf
        for k in range(n):
            row = values[k, start:stop]
            for j in range(width):
                x = np.float64(row[j])
                part[MEAN, j] += x
                part[LOW, j] = min(part[LOW, j], x)
                part[HIGH, j] = max(part[HIGH, j], x)
                part[N_ACTIVE, j] += 1.0 if x > 0.0 else 0.0
        for j in range(width):
            part[MEAN, j] /= n
        for k in range(n):
            row = values[k, start:stop]
            for j in range(width):
                d = np.float64(row[j]) - part[MEAN, j]
                part[M2, j] += d * d
                part[M3, j] += d * d * d


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
