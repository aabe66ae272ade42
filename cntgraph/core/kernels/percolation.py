"""Percolation: what is left of a graph at some moments while its nodes and edges are taken away."""

from __future__ import annotations

import numpy as np
from numba import njit

from cntgraph.core.kernels.spanning import _merge, _root


@njit(cache=True, nogil=True)
def parts_at(source, target, edge_order, edge_ends, node_ends, largest, n_parts):
    """Write the size of the largest part, and the number of parts, at each moment.

    Moments go back in time: at moment k, ``node_ends[k]`` nodes and the first ``edge_ends[k]``
    edges of `edge_order` are there, at least as many as at moment k - 1, and among the nodes
    are the ends of these edges.
    """
    parent = np.full(node_ends[-1], -1, np.int64)
    n_edges, n_joined, best = 0, 0, 1
    for k in range(node_ends.size):
        for e in edge_order[n_edges : edge_ends[k]]:
            if _merge(parent, source[e], target[e]):
                n_joined += 1
                best = max(best, -parent[_root(parent, source[e])])
        n_edges = edge_ends[k]
        largest[k] = min(best, node_ends[k])
        n_parts[k] = node_ends[k] - n_joined


@njit(cache=True, nogil=True)
def path_shares(indptr, indices, order, is_end, logs, shares, ends):
    """Write which share of each node's paths to the ends goes on by each of its edges.

    `logs` gets the logarithm of the number of these paths, `ends` the share of the one without
    an edge, where the node is an end. Nodes come in `order`, each after those that its edges
    lead to.
    """
    for node in order:
        edges = range(indptr[node], indptr[node + 1])
        top = 0.0 if is_end[node] else -np.inf
        for e in edges:
            top = max(top, logs[indices[e]])
        logs[node] = top
        if top == -np.inf:
            continue
        total = np.exp(-top) if is_end[node] else 0.0
        for e in edges:
            total += np.exp(logs[indices[e]] - top)
        logs[node] += np.log(total)
        ends[node] = np.exp(-logs[node]) if is_end[node] else 0.0
        for e in edges:
            shares[e] = np.exp(logs[indices[e]] - logs[node])


@njit(cache=True, nogil=True)
def surviving_paths(indptr, indices, order, shares, ends, edge_times, node_times, moments, found):
    """Write which share of each node's paths to the ends is there at each moment.

    Moments ascend; what has time t is there at the moments before t.
    """
    for node in order:
        for k in range(moments.size):
            if node_times[node] <= moments[k]:
                break
            found[node, k] = ends[node]
        for e in range(indptr[node], indptr[node + 1]):
            other, share = indices[e], shares[e]
            for k in range(moments.size):
                if edge_times[e] <= moments[k]:
                    break
                found[node, k] += share * found[other, k]
