"""Square clustering: how often two neighbors of a node have another neighbor in common."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, undirected_topology
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array


#: Entries of S² that are held at a time.
_PART = 20_000_000


@takes(Network, Graph)
def square_clustering(
    net_or_graph: Network | Graph,
    *,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> Values:
    """Return the fraction of possible squares that exist at every node, on the undirected graph.

    How often two neighbors of a node have another neighbor in common: up to 1, as in dense layers,
    and small where edges are sparse or local.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse what would take longer.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Between 0 and 1; 0 for a node of fewer than two neighbors.

    Raises
    ------
    UndefinedMeasureError
        If there are no edges.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    Where triangles are impossible, squares are the shortest cycles. Over the pairs of neighbors
    u, w of node v, with q their common neighbors other than v, and θ = 1 if they are connected,

        C₄(v) = Σ q / Σ (k_u + k_w - 2 - 2θ - q)

    as networkx (equation 1 of the paper, with its denominator written out). All sums over pairs
    are read from S² of the 0/1 matrix S = A + Aᵀ, loops aside: Σ q from the row sums of (S²)²,
    θ from S² ∘ S. O(Σ k_i²), a part of the rows in memory at a time.

    References
    ----------
    .. [1] P. G. Lind, M. C. González, H. J. Herrmann, "Cycles and clustering in bipartite
       networks", Phys. Rev. E 72 (2005).

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> {name: float(c[0].round(3)) for name, c in net.split(square_clustering(net)).items()}
    {'input': 1.0, 'fc1': 0.872, 'fc2': 0.759, 'fc3': 1.0}
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    pairs = undirected_topology(graph)
    if not pairs.nnz:
        raise UndefinedMeasureError("square_clustering counts cycles, and there are no edges")
    work = float((np.diff(pairs.indptr).astype(np.float64) ** 2).sum())
    check_operations("square_clustering", work, max_operations, "choose layers")
    return squares(pairs)


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes, all degrees being alike.

    Examples
    --------
    >>> operations(1000, 20_000)
    1600000.0
    """
    return 4.0 * n_edges**2 / max(n_nodes, 1)


def row_parts(matrix: csr_array, back: csr_array, size: int = _PART) -> list[slice]:
    """Return parts of the rows of a matrix, whose products have about `size` entries at most.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> full = csr_array(np.ones((4, 4)))
    >>> row_parts(full, full, 9)
    [slice(0, 2, None), slice(2, 4, None)]
    """
    entries = np.minimum(matrix @ np.diff(back.indptr).astype(np.float64), back.shape[1])
    part = np.cumsum(entries) // size
    cuts = np.flatnonzero(np.diff(part)) + 1
    ends = [0, *cuts.tolist(), matrix.shape[0]]
    return [slice(a, b) for a, b in pairwise(ends) if b > a]


def squares(pairs: csr_array) -> Values:
    """Return the square clustering of every node of a simple undirected graph.

    Parameters
    ----------
    pairs : scipy.sparse.csr_array of float64
        Symmetric, of ones, without a diagonal.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
    """
    degree = np.diff(pairs.indptr).astype(np.float64)
    found = np.zeros(len(degree))
    around = pairs @ degree  # the degrees of all neighbors
    for rows in row_parts(pairs, pairs):
        own = pairs[rows]
        common = own @ pairs
        k, near = degree[rows], around[rows]
        couples = k * (k - 1) / 2
        # (S⁴)_vv counts v-u-x-w-v: over u = w it is Σ k_u, and x = v is in every other.
        closed = (np.asarray(common.power(2).sum(axis=1)).reshape(-1) - near) / 2 - couples
        triangles = np.asarray(common.multiply(own).sum(axis=1)).reshape(-1) / 2
        possible = (k - 1) * near - 2 * couples - 2 * triangles - closed
        found[rows] = np.divide(closed, possible, out=np.zeros(len(k)), where=possible > 0)
    return found
