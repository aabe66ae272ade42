"""The strongest edges: of every node, of every block, or of the whole graph."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.compiling import read_only
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.graph.signs import check_weights

#: Which end of an edge has to choose it.
Ends = Literal["source", "target", "either", "both"]
Chooser = Literal["source", "target", "either", "both", "block", "graph"]
Marks = NDArray[np.bool_]


@takes(Graph)
def keep_top_edges(graph: Graph, k: int, *, within: Chooser = "either") -> Reduced:
    """Keep the k edges of largest |w| of every node.

    Parameters
    ----------
    graph : Graph
    k : int
        How many edges each chooses; all of them where there are fewer.
    within : str, default "either"
        Who chooses: ``"source"``, every node among the edges that leave it; ``"target"``, every
        node among those that come in; ``"either"`` keeps what one end chose, ``"both"`` what
        both did; ``"block"``, every block; ``"graph"``, k edges in all.

    Returns
    -------
    Reduced

    Raises
    ------
    CntGraphError
        If k is negative, or `within` is none of the above.
    NonFiniteWeightError
        If a weight is NaN or infinite.

    Notes
    -----
    Magnitudes are compared by definition, so no sign policy is needed. Of edges that are equally
    strong, those are kept that come first in ``adjacency.data``. Parallel edges are edges of
    their own. O(n_edges), and for ``"either"`` or ``"both"`` twice that.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> keep_top_edges(graph, 2)
    <Reduced: 45 of 88 edges (51.1 %), 74.4 % of Σ|w|>
    >>> keep_top_edges(graph, 10, within="graph")
    <Reduced: 10 of 88 edges (11.4 %), 26.5 % of Σ|w|>
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 0:
        raise CntGraphError(f"expected a number of edges of 0 or more, got {k!r}")
    if within not in get_args(Chooser):
        choices = ", ".join(map(repr, get_args(Chooser)))
        raise CntGraphError(f"expected within to be one of {choices}; got {within!r}")
    check_weights(graph, noun="a choice of the strongest edges")
    return reduced(graph, graph.keep_edges(_chosen(graph, int(k), within)))


def _chosen(graph: Graph, k: int, within: Chooser) -> Marks:
    if within in ("either", "both"):
        sides = (_chosen(graph, k, "source"), _chosen(graph, k, "target"))
        return sides[0] | sides[1] if within == "either" else sides[0] & sides[1]
    from cntgraph.core.kernels.groups import mark_largest

    marks = np.zeros(graph.n_edges, dtype=bool)
    mark_largest(*edge_groups(graph, within), read_only(graph.adjacency.data), k, marks)
    return marks


def edge_groups(graph: Graph, within: Chooser) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (indptr, order): ``order[indptr[g] : indptr[g + 1]]`` are the edges of group g.

    Parameters
    ----------
    graph : Graph
    within : {"source", "target", "block", "graph"}

    Returns
    -------
    tuple of two ndarrays of int64, shapes (n_groups + 1,) and (n_edges,)
        Edges are positions in ``adjacency.data``, ascending within a group.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> edge_groups(graph, "block")[0], edge_groups(graph, "graph")[0]
    (array([ 0, 48, 80, 88]), array([ 0, 88]))
    """
    from cntgraph.core.kernels.groups import group_edges

    if within in ("target", "block"):
        groups = graph.adjacency.indices, graph.n_nodes
        if within == "block":
            groups = graph.edge_block, len(graph.block_names)
        return group_edges(read_only(groups[0]), groups[1])  # type: ignore[no-any-return]
    ends = [0, graph.n_edges] if within == "graph" else graph.adjacency.indptr
    return np.asarray(ends, dtype=np.int64), np.arange(graph.n_edges)
