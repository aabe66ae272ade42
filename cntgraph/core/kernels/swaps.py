"""Swapping the targets of edges, which keeps every degree."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Marks a free slot of a table; keys of edges are not negative.
_FREE = -1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def _home(key, shift):
    """Return the slot of a table of ``2**(64 - shift)`` that a key belongs to."""
    return np.int64((np.uint64(key) * _GOLDEN) >> np.uint64(shift))


@njit(cache=True, nogil=True)
def _find(table, shift, key):
    """Return the slot of a key, or the free one where it would be."""
    mask = table.size - 1
    slot = _home(key, shift)
    while table[slot] != _FREE and table[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def _remove(table, shift, key):
    """Free the slot of a key, and move up those that it kept from theirs."""
    mask = table.size - 1
    hole = _find(table, shift, key)
    table[hole] = _FREE
    slot = hole
    while True:
        slot = (slot + 1) & mask
        if table[slot] == _FREE:
            return
        # It may move to the hole unless its home is behind the hole.
        if ((slot - _home(table[slot], shift)) & mask) >= ((slot - hole) & mask):
            table[hole] = table[slot]
            table[slot] = _FREE
            hole = slot


@njit(cache=True, nogil=True)
def add_edges(table, shift, n_nodes, source, target):
    """Put the keys ``source * n_nodes + target`` of edges into a table."""
    for e in range(source.size):
        key = source[e] * n_nodes + target[e]
        table[_find(table, shift, key)] = key


@njit(cache=True, nogil=True)
def swap_targets(table, shift, n_nodes, source, target, picks):
    """Swap the targets of pairs of edges, where that makes no loop and no second edge of a pair.

    `picks`, shape (n, 2), are indices of edges in `source` and `target`; the latter is changed in
    place, as is the table of all edges. Returns how many of the pairs were swapped.
    """
    swapped = 0
    for p in range(picks.shape[0]):
        a, b = picks[p, 0], picks[p, 1]
        i, j, k, l = source[a], target[a], source[b], target[b]  # noqa: E741
        if i in (k, l) or j in (k, l):
            continue
        first, second = i * n_nodes + l, k * n_nodes + j
        if table[_find(table, shift, first)] != _FREE:
            continue
        if table[_find(table, shift, second)] != _FREE:
            continue
        _remove(table, shift, i * n_nodes + j)
        _remove(table, shift, k * n_nodes + l)
        table[_find(table, shift, first)] = first
        table[_find(table, shift, second)] = second
        target[a], target[b] = l, j
        swapped += 1
    return swapped
