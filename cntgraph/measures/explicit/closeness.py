"""Closeness: how near a node is to those that it is reached from, or that it reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split
from cntgraph.measures.explicit.distances import distance_rows, operations
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, directed_igraph
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.lengths import Length, by_length
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Direction = Literal["in", "out"]


@takes(Network, Graph)
def closeness(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "in",
    harmonic: bool = False,
    length: Length | None = None,
    sign: Sign | None = None,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> Values | Split[Values]:
    """Return the closeness centrality of every node.

    How near a node is to those that reach it: large where many do in few or short steps, 0 where
    none does.

    Parameters
    ----------
    net_or_graph : Network or Graph
    direction : {"in", "out"}, default "in"
        ``"in"``: distances from other nodes to the node, as networkx does on directed graphs;
        ``"out"``: from the node to others.
    harmonic : bool, default False
        The mean of 1/d over all other nodes, in place of one over the mean of d.
    length : {"inverse", "neglog"}, optional
        What an edge of weight w costs: 1/w, or -log(w / max w). By default every edge is one
        hop, and weights do not matter. An edge of weight 0 then carries no path.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights. Needed with `length` if there are any. Without
        `length`, it chooses the edges that paths may take.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse, by `operations`, what would take longer.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal (with `length`).

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        0 for a node that no other reaches (or that reaches none); infinite where all distances
        are 0, as they can be under ``"neglog"``. Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If weights are used, some are negative, and there is no `sign`.
    NonFiniteWeightError
        If weights are used and one is NaN or infinite.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    With r the number of other nodes that reach the node, and d their distances,

        C = r/(n - 1) · r/Σd        (Wasserman and Faust; networkx's ``wf_improved=True``)
        H = 1/(n - 1) · Σ 1/d       (``harmonic=True``; networkx does not divide)

    The first factor makes components compare. Hops: igraph, O(n_nodes · n_edges). Lengths:
    Dijkstra's algorithm in scipy, and a factor log n_nodes.

    References
    ----------
    .. [1] S. Wasserman, K. Faust, Social Network Analysis, Cambridge University Press (1994),
       p. 201.
    .. [2] P. Boldi, S. Vigna, "Axioms for centrality", Internet Mathematics 10 (2014).

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> {name: float(x[0].round(3)) for name, x in net.split(closeness(net)).items()}
    {'input': 0.0, 'fc1': 0.316, 'fc2': 0.516, 'fc3': 0.449}
    """
    if direction not in get_args(Direction):
        raise CntGraphError(f"expected direction to be 'in' or 'out', got {direction!r}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    work = operations(graph.n_nodes, graph.n_edges)
    check_operations(
        "closeness",
        work,
        max_operations,
        "choose layers with cntgraph.build_graph",
        show=show_progress,
    )

    def measure(lengths: csr_array) -> Values:
        if length is None:
            return _of_hops(lengths, direction, harmonic)
        return _of_lengths(lengths, direction, harmonic, show_progress)

    return by_length(graph, sign, length, measure, noun="closeness")


def _of_hops(matrix: csr_array, direction: Direction, harmonic: bool) -> Values:
    n = matrix.shape[0]
    if n < 2:
        return np.zeros(n)
    graph = directed_igraph(matrix)
    found: Values
    if harmonic:
        found = np.array(graph.harmonic_centrality(mode=direction, normalized=True), np.float64)
        return found
    inner = np.array(graph.closeness(mode=direction, normalized=True), np.float64)
    reached = np.array(graph.neighborhood_size(order=n, mode=direction), np.float64) - 1
    found = np.where(reached > 0, inner * reached / (n - 1), 0.0)
    return found


def _of_lengths(lengths: csr_array, direction: Direction, harmonic: bool, show: bool) -> Values:
    n = lengths.shape[0]
    found = np.zeros(n)
    towards = lengths.T.tocsr() if direction == "in" else lengths
    for nodes, distances in distance_rows(towards, what="closeness", show=show):
        distances[np.arange(len(nodes)), nodes] = np.inf
        with np.errstate(divide="ignore"):
            if harmonic:
                found[nodes] = (1.0 / distances).sum(axis=1)
                continue
            known = np.isfinite(distances)
            reached = known.sum(axis=1)
            total = np.where(known, distances, 0.0).sum(axis=1)
            scale = np.where(reached > 0, reached / np.where(reached > 0, total, 1.0), 0.0)
        found[nodes] = reached * scale
    found /= max(n - 1, 1)
    return found
