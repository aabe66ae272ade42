"""Maximum spanning trees of bipartite graphs: of a full one, of a list of edges, of a convolution.

Each writes the sizes of the tree's edges, of which a graph of n nodes in c parts has n - c.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_TAKEN = -1.0


@njit(cache=True, nogil=True)
def full_tree(w, tree):
    """Write the n_rows + n_columns - 1 tree edges of |w|, one edge per row and column (Prim)."""
    n_rows, n_columns = w.shape
    rows, columns = np.zeros(n_rows), np.zeros(n_columns)
    row, column = 0, -1
    for k in range(tree.size):
        if column < 0:
            rows[row] = _TAKEN
            for j in range(n_columns):
                if columns[j] != _TAKEN:
                    columns[j] = max(columns[j], abs(np.float64(w[row, j])))
        else:
            columns[column] = _TAKEN
            for i in range(n_rows):
                if rows[i] != _TAKEN:
                    rows[i] = max(rows[i], abs(np.float64(w[i, column])))
        row, column = _largest(rows), _largest(columns)
        # While only one row is in the tree, no other row can be reached yet.
        if k > 0 and (column < 0 or (row >= 0 and rows[row] >= columns[column])):
            tree[k], column = rows[row], -1
        else:
            tree[k] = columns[column]


@njit(cache=True, nogil=True)
def _largest(values):
    """Return where the largest value is; -1 if all are taken."""
    best, at = _TAKEN, -1
    for k in range(values.size):
        if values[k] > best:
            best, at = values[k], k
    return at


@njit(cache=True, nogil=True)
def _root(parent, node):
    while parent[node] >= 0:
        if parent[parent[node]] >= 0:
            parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def _merge(parent, a, b):
    """Join two parts; a root holds minus the size of its part. Return whether they were two."""
    a, b = _root(parent, a), _root(parent, b)
    if a == b:
        return False
    if parent[a] > parent[b]:
        a, b = b, a
    parent[a] += parent[b]
    parent[b] = a
    return True


@njit(cache=True, nogil=True)
def edge_forest(order, sources, targets, sizes, parent, tree):
    """Write the tree edges of a list of edges, taken in `order` (Kruskal); return their number."""
    n = 0
    for e in order:
        if _merge(parent, sources[e], targets[e]):
            tree[n] = sizes[e]
            n += 1
    return n


@njit(cache=True, nogil=True)
def convolution_forest(
    order, kernel, rows_per_group, indptr, before, after, sources, targets, linked, parent, tree
):  # fmt: skip
    """Write the tree edges of an unrolled convolution, whose kernel's entries come in `order`.

    `kernel` has shape (source channels, target channels of a group, taps); tap t connects the
    positions ``before[k]`` and ``after[k]`` for k in ``indptr[t]:indptr[t + 1]``. `sources` and
    `targets` name the nodes at (channel, position), -1 where there is none; `linked` are those
    that have an edge. A kernel's largest entries soon connect what there is to connect: all is
    found once `tree` is full, and entries between channels that are of one part are left out.
    """
    _, per_group, n_taps = kernel.shape
    source_parts = np.full(sources.shape[0], -1, np.int64)
    target_parts = np.full(targets.shape[0], -1, np.int64)
    n, n_seen, next_look = 0, 0, sources.shape[0] + targets.shape[0]
    for e in order:
        if n == tree.size:
            break
        n_seen += 1
        if n_seen == next_look:  # ever more seldom: a look costs as much as some entries
            next_look *= 2
            _look(parent, sources, linked, source_parts)
            _look(parent, targets, linked, target_parts)
        tap, pair = e % n_taps, e // n_taps
        channel = pair // per_group
        target = channel // rows_per_group * per_group + pair % per_group
        if source_parts[channel] >= 0 and source_parts[channel] == target_parts[target]:
            continue
        for k in range(indptr[tap], indptr[tap + 1]):
            a = sources[channel, before[k]]
            if a >= 0 and _merge(parent, a, targets[target, after[k]]):
                tree[n] = abs(np.float64(kernel[channel, pair % per_group, tap]))
                n += 1
    return n


@njit(cache=True, nogil=True)
def _look(parent, nodes, linked, parts):
    """Write the part that each channel's nodes are in; -1 where they are in several."""
    for channel in range(nodes.shape[0]):
        part = -1
        for node in nodes[channel]:
            if node >= 0 and linked[node]:
                root = _root(parent, node)
                if part >= 0 and root != part:
                    part = -1
                    break
                part = root
        parts[channel] = part


@njit(cache=True, nogil=True)
def convolution_parts(
    shape, rows_per_group, indptr, before, after, sources, targets, linked, parent
):  # fmt: skip
    """Connect what an unrolled convolution connects; return its number of tree edges.

    All target channels of a group read the same nodes: it is enough to follow the edges to
    the first of them, and to connect the others with that one. `linked` becomes true of the
    nodes that have an edge.
    """
    n_channels, per_group, n_taps = shape
    n_edges = 0
    reached = np.zeros(targets.shape, np.bool_)
    for channel in range(n_channels):
        first = channel // rows_per_group * per_group
        for k in range(indptr[n_taps]):
            a = sources[channel, before[k]]
            if a >= 0:
                linked[a] = reached[first, after[k]] = True
                n_edges += _merge(parent, a, targets[first, after[k]])
    for target in range(targets.shape[0]):
        first = target // per_group * per_group
        for position in range(targets.shape[1]):
            if reached[first, position]:
                a = targets[target, position]
                linked[a] = True
                n_edges += _merge(parent, a, targets[first, position])
    return n_edges
