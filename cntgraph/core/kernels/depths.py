"""The depth of nodes: how many edges the longest path to each of them has."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def longest_paths(indptr, indices, depth):
    """Raise each node's depth to its longest path's (Kahn); return how many nodes have one.

    Those that do not are on loops, or behind them.
    """
    n = indptr.size - 1
    left = np.zeros(n, np.int64)
    for e in range(indices.size):
        left[indices[e]] += 1
    queue, n_seen, n_queued = np.empty(n, np.int64), 0, 0
    for node in range(n):
        if left[node] == 0:
            queue[n_queued] = node
            n_queued += 1
    while n_seen < n_queued:
        node = queue[n_seen]
        n_seen += 1
        for e in range(indptr[node], indptr[node + 1]):
            other = indices[e]
            depth[other] = max(depth[other], depth[node] + 1)
            left[other] -= 1
            if left[other] == 0:
                queue[n_queued] = other
                n_queued += 1
    return n_seen
