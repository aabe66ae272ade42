"""Clustering: how often two neighbors of a node are neighbors, and what to use without triangles.

A network of layers without skips has no triangles: the nodes that a node is connected to are in
the layers before and after its own. Clustering is 0 everywhere then, and tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.explicit.engine import (
    MAX_OPERATIONS,
    check_operations,
    symmetric,
    undirected_igraph,
    undirected_topology,
    without_loops,
)
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph, magnitude_matrix
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@takes(Network, Graph)
def clustering(
    net_or_graph: Network | Graph,
    *,
    weighted: bool = False,
    sign: Sign | None = None,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> Values | Split[Values]:
    """Return the local clustering coefficient of every node, on the undirected graph.

    How often two neighbors of a node are neighbors: 1 where all are, 0 where none is. Layers in a
    row have no triangles; skips and loops make them.

    Parameters
    ----------
    net_or_graph : Network or Graph
    weighted : bool, default False
        Count a triangle by the geometric mean of its three weights, in parts of the largest.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights; needed with `weighted` if there are any. Without, it
        chooses the edges that count.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse what would take longer.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        0 for a node of fewer than two neighbors. Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    UndefinedMeasureError
        If there is no triangle in the graph, as in a network of layers without skips:
        `bipartite_clustering` and `square_clustering` are made for it.
    SignedWeightError
        If weights are used, some are negative, and there is no `sign`.
    NonFiniteWeightError
        If weights are used and one is NaN or infinite.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    With k_i the number of neighbors of i in either direction (loops and parallel edges aside)
    and S = A + Aᵀ,

        C_i = 2 T_i / (k_i (k_i - 1)),   T_i the number of triangles at i (Watts and Strogatz)
        weighted: T_i = Σ over triangles (ŵ_ij ŵ_jk ŵ_ki)^(1/3),   ŵ = S / max S (Onnela)

    Triangles in igraph, O(n_edges k); weighted by one sparse product, O(Σ k_i²).

    References
    ----------
    .. [1] D. J. Watts, S. H. Strogatz, "Collective dynamics of 'small-world' networks", Nature
       393 (1998).
    .. [2] J.-P. Onnela, J. Saramäki, J. Kertész, K. Kaski, "Intensity and coherence of motifs in
       weighted complex networks", Phys. Rev. E 71 (2005).

    Examples
    --------
    >>> import cntgraph as cg
    >>> clustering(cg.toy("mlp"))
    Traceback (most recent call last):
    cntgraph.core.errors.UndefinedMeasureError: clustering counts triangles, and there are none: ...
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    pairs = undirected_topology(graph)
    work = float((np.diff(pairs.indptr).astype(np.float64) ** 2).sum())
    check_operations("clustering", work, max_operations, "choose layers")
    if sign is None and not weighted:
        return _unweighted(pairs)

    def measure(transform: Transform) -> Values:
        matrix = without_loops(magnitude_matrix(graph, transform))
        pairs = matrix.copy()
        pairs.data[:] = 1.0  # an edge of weight zero is one
        pairs = symmetric(pairs)
        return _weighted(symmetric(matrix), pairs) if weighted else _unweighted(pairs)

    return by_sign(graph, sign, measure, noun="clustering")


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes, all degrees being alike.

    Examples
    --------
    >>> operations(1000, 20_000)
    1600000.0
    """
    return 4.0 * n_edges**2 / max(n_nodes, 1)


def _unweighted(pairs: csr_array) -> Values:
    made, _ = undirected_igraph(pairs)
    found = np.array(made.transitivity_local_undirected(mode="zero"), np.float64)
    _check_triangles(found)
    return found


def _weighted(matrix: csr_array, pairs: csr_array) -> Values:
    degree = np.diff(pairs.indptr).astype(np.float64)
    root = matrix.copy()
    if matrix.nnz:
        root.data = np.cbrt(matrix.data / matrix.data.max())
    twice = np.asarray((root @ root).multiply(root).sum(axis=1)).reshape(-1)
    _check_triangles(twice)
    found: Values = np.divide(
        twice, degree * (degree - 1), out=np.zeros(len(degree)), where=degree > 1
    )
    return found


def _check_triangles(values: Values) -> None:
    if not (values > 0).any():
        raise UndefinedMeasureError(
            "clustering counts triangles, and there are none: the edges of a network of layers "
            "without skips lead from one layer to the next. bipartite_clustering (neighbors in "
            "common) and square_clustering (cycles of four) are made for such a graph"
        )
