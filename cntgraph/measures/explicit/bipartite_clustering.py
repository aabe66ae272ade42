"""Bipartite clustering: how much the neighbors of nodes are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import (
    MAX_OPERATIONS,
    check_operations,
    topology,
    undirected_igraph,
    undirected_topology,
)
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.square_clustering import row_parts
from cntgraph.measures.explicit.wiring import Wiring
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

Mode = Literal["dot", "min", "max"]
Direction = Literal["in", "out", "total"]


@takes(Network, Graph)
def bipartite_clustering(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "in",
    mode: Mode = "dot",
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> Values:
    """Return, for every node, how much it has its neighbors in common with other nodes.

    Near 1, nodes that share a neighbor share nearly all, as in a dense layer; near 0 they share
    few, as windows of a convolution that overlap a little.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights. In dense layers all neighbors are the
        same: keep the strong edges first.
    direction : {"in", "out", "total"}, default "in"
        Compare the nodes that nodes receive edges from, or send edges to; or all neighbors,
        which is the measure of the undirected graph, if that is bipartite.
    mode : {"dot", "min", "max"}, default "dot"
        What the number of common neighbors is divided by: the number of those of either node,
        the smaller degree or the larger.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse what would take longer.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Between 0 and 1; 0 for a node that shares no neighbor.

    Raises
    ------
    UndefinedMeasureError
        If there are no edges; or by ``direction="total"``, if the graph is not bipartite.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    With N(u) the neighbors of u, the mean over all v ≠ u that share one of them of

        c(u, v) = |N(u) ∩ N(v)| / |N(u) ∪ N(v)|     ("dot"; over min or max of the sizes else)

    ``"in"`` and ``"out"`` are this for targets and for sources of the bipartite graph whose
    sides are sources and targets; ``"total"`` is networkx's ``bipartite.latapy_clustering``.
    The layers of a network without skips are alternately on one side and the other, which is
    why that is bipartite. Parallel edges are one. By sparse products, O(Σ k_i²).

    References
    ----------
    .. [1] M. Latapy, C. Magnien, N. Del Vecchio, "Basic notions for the analysis of large two-mode
       networks", Social Networks 30 (2008), section 4.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"), threshold=0.5)
    >>> bipartite_clustering(graph)[graph.layer_slice("fc2")].round(2)
    array([0.33, 0.37, 0.32, 0.3 ])
    """
    if mode not in get_args(Mode) or direction not in get_args(Direction):
        raise CntGraphError(
            "expected mode to be 'dot', 'min' or 'max' and direction to be 'in', 'out' or 'total'; "
            f"got {mode!r} and {direction!r}"
        )
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    matrix = _neighbors(graph, direction)
    back = matrix.T.tocsr()
    work = float((np.diff(back.indptr).astype(np.float64) ** 2).sum())
    check_operations("bipartite_clustering", work, max_operations, "choose layers")
    return _shared(matrix, back, mode)


@takes(Network, Graph)
def robins_alexander_clustering(
    net_or_graph: Network | Graph,
    *,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> pd.Series:
    """Return which fraction of the paths of three edges are closed to squares, by block.

    1 where every path is closed, as in a dense block; small where edges are sparse and seldom lead
    to the same nodes.

    Parameters
    ----------
    net_or_graph, edges, max_edges, max_operations
        As in `bipartite_clustering`.

    Returns
    -------
    pandas.Series of float64
        By block that has edges; 1 where all nodes are connected with all. NaN for a block
        without a path of three edges, such as an identity.

    Raises
    ------
    UndefinedMeasureError
        If no block has a path of three edges.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    4 · (number of cycles of four edges) / (number of paths of three), each block by itself as a
    bipartite graph from sources to targets; networkx's ``bipartite.robins_alexander_clustering``
    of it. An edge in several blocks counts in the first; loops do not.

    References
    ----------
    .. [1] G. Robins, M. Alexander, "Small worlds among interlocking directors", Computational &
       Mathematical Organization Theory 10 (2004).

    Examples
    --------
    >>> import cntgraph as cg
    >>> robins_alexander_clustering(cg.build_graph(cg.toy("mlp"), threshold=0.5)).round(3).to_dict()
    {'fc1': 0.143, 'fc2': 0.324, 'fc3': 0.0}
    """
    import pandas as pd

    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    wiring = Wiring.of(graph)
    out = np.bincount(wiring.source, minlength=wiring.n_nodes).astype(np.float64)
    noun = "robins_alexander_clustering"
    check_operations(noun, float(out[wiring.source].sum()), max_operations, "choose layers")
    parts = zip(graph.block_names, wiring.starts[:-1], wiring.starts[1:], strict=True)
    found = {name: _closed(wiring, slice(low, high)) for name, low, high in parts if high > low}
    if not np.isfinite(list(found.values())).any():
        raise UndefinedMeasureError(f"{noun} is a fraction of paths of three edges; there are none")
    names = pd.Index(found, name="block")
    return pd.Series(list(found.values()), index=names, name=noun, dtype=np.float64)


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes, all degrees being alike.

    Examples
    --------
    >>> operations(1000, 20_000)
    400000.0
    """
    return float(n_edges) ** 2 / max(n_nodes, 1)


def _neighbors(graph: Graph, direction: Direction) -> csr_array:
    """Return the 0/1 matrix whose rows are the neighbors of each node."""
    if direction == "total":
        pairs = undirected_topology(graph)
        bipartite = not pairs.nnz or undirected_igraph(pairs)[0].is_bipartite()
        if not bipartite or topology(graph).diagonal().any():
            raise UndefinedMeasureError(
                "the undirected graph is not bipartite: skips, or loops, close a cycle of an odd "
                "number of edges. Pass direction='in' or 'out', or see cntgraph.clustering"
            )
    else:
        pairs = topology(graph)
        pairs = pairs.T.tocsr() if direction == "in" else pairs
    if not pairs.nnz:
        raise UndefinedMeasureError("bipartite_clustering compares edges, and there are none")
    return pairs


def _shared(matrix: csr_array, back: csr_array, mode: Mode) -> Values:
    degree = np.diff(matrix.indptr).astype(np.float64)
    found = np.zeros(len(degree))
    for rows in row_parts(matrix, back):
        common = (matrix[rows] @ back).tocoo()
        u, v = common.row + rows.start, common.col
        other = u != v
        u, v, both = u[other], v[other], common.data[other]
        whole = {
            "dot": degree[u] + degree[v] - both,
            "min": np.minimum(degree[u], degree[v]),
            "max": np.maximum(degree[u], degree[v]),
        }[mode]
        n = rows.stop - rows.start
        total = np.bincount(u - rows.start, weights=both / whole, minlength=n)
        count = np.bincount(u - rows.start, minlength=n)
        found[rows] = np.divide(total, count, out=np.zeros(n), where=count > 0)
    return found


def _closed(wiring: Wiring, part: slice) -> float:
    """Return 4 · squares / paths of three edges of one block."""
    from scipy.sparse import coo_array, csr_array

    _, source = np.unique(wiring.source[part], return_inverse=True)
    _, target = np.unique(wiring.target[part], return_inverse=True)
    into, out = np.bincount(target).astype(np.float64), np.bincount(source).astype(np.float64)
    paths = ((out[source] - 1) * (into[target] - 1)).sum()
    if not paths:
        return float("nan")
    shape = (len(out), len(into))
    matrix = csr_array(coo_array((np.ones(len(source)), (source, target)), shape=shape))
    back, ordered = matrix.T.tocsr(), 0.0
    for rows in row_parts(matrix, back):
        common = (matrix[rows] @ back).tocoo()
        x = common.data[common.row + rows.start != common.col]
        ordered += float((x * (x - 1) / 2).sum())
    return 4 * (ordered / 2) / float(paths)
