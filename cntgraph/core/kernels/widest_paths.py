"""Widest paths of a graph without loops: how strong the weakest edge of the best path is."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def widen_rows(indptr, indices, sizes, order, widths):
    """Raise each node's widths to those of the paths that begin with one of its edges.

    Nodes come in `order`, each after those that its edges lead to. A path is as wide as its
    narrowest edge and as what its last node had; there is a width for each column.
    """
    for k in range(order.size):
        node = order[k]
        for e in range(indptr[node], indptr[node + 1]):
            other, size = indices[e], sizes[e]
            for j in range(widths.shape[1]):
                width = min(size, widths[other, j])
                if width > widths[node, j]:
                    widths[node, j] = width
