"""Edges in groups: counting sort by a key, and the largest of each group."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def group_edges(keys, n_groups):
    """Return (indptr, order): ``order[indptr[g] : indptr[g + 1]]`` are the edges of key g."""
    indptr = np.zeros(n_groups + 1, np.int64)
    for k in range(keys.size):
        indptr[keys[k] + 1] += 1
    for g in range(n_groups):
        indptr[g + 1] += indptr[g]
    cursor = indptr[:-1].copy()
    order = np.empty(keys.size, np.int64)
    for k in range(keys.size):
        order[cursor[keys[k]]] = k
        cursor[keys[k]] += 1
    return indptr, order


@njit(cache=True, nogil=True)
def mark_largest(indptr, order, weights, k, marks):
    """Mark the k edges of each group with the largest |w|; of equal ones, those that are first."""
    for g in range(indptr.size - 1):
        edges = order[indptr[g] : indptr[g + 1]]
        if k == 0 or edges.size <= k:
            for e in edges:
                marks[e] = k > 0
            continue
        sizes = np.empty(edges.size, weights.dtype)
        for i in range(edges.size):
            sizes[i] = abs(weights[edges[i]])
        limit = _select(sizes, edges.size - k)
        left = k
        for e in edges:
            if abs(weights[e]) > limit:
                marks[e] = True
                left -= 1
        for e in edges:
            if left > 0 and abs(weights[e]) == limit:
                marks[e] = True
                left -= 1


@njit(cache=True, nogil=True)
def _select(values, k):
    """Return the k-th smallest of values, which it reorders (Hoare's quickselect).

    np.partition does so, too, and takes seconds to compile.
    """
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]
