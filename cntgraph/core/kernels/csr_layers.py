"""Which layers the edges of some rows of a CSR matrix lead to."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def reached_layers(indptr, indices, edge_block, rows, counted, starts, reached):
    """Mark the layers, which begin at the nodes `starts`; return the number of edges.

    Columns ascend within a row. Where `counted` has entries, it says which blocks count.
    """
    n_edges = 0
    for r in range(rows[0], rows[1]):
        layer = 0
        for k in range(np.uint64(indptr[r]), np.uint64(indptr[r + 1])):
            if counted.size and not counted[edge_block[k]]:
                continue
            n_edges += 1
            while layer + 1 < starts.size and starts[layer + 1] <= indices[k]:
                layer += 1
            reached[layer] = True
    return n_edges
