"""Percolation: how a graph falls apart while its edges or its nodes are taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Ids, Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.explicit.components import (
    Connection,
    check_connection,
    components,
)
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.surviving_paths import Removal, shares_of_pairs, shares_of_paths
from cntgraph.measures.strength import node_strength
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

Removed = Literal["smallest", "largest", "random", "hubs", "random_nodes"]
#: What the values of `Removed` take away: edges, or nodes.
_OF_EDGES = ("smallest", "largest", "random")

Rng: TypeAlias = "int | np.random.Generator"


@takes(Network, Graph)
def percolation(
    net_or_graph: Network | Graph,
    remove: Removed | ArrayLike = "smallest",
    *,
    connection: Connection = "weak",
    n_points: int = 51,
    edges: Edges = "all",
    rng: Rng = 0,
    max_edges: int = MAX_EDGES,
) -> pd.DataFrame:
    """Return what is left of a graph while its edges or nodes are taken away, one after the other.

    What a network hangs on: where `pairs` or `largest_share` fall early, on what was taken first;
    where they fall late, there are other ways.

    Parameters
    ----------
    net_or_graph : Network or Graph
    remove : str or array_like of float, shape (n_nodes,), default "smallest"
        What is taken away, and in which order: ``"smallest"``, ``"largest"``, edges by |w|;
        ``"random"``, edges; ``"hubs"``, nodes by Σ|w| of their edges, the largest first;
        ``"random_nodes"``; or values of nodes, the largest first: ``cg.pagerank(graph, …)``. Of
        equal ones, those that come first. With a node go its edges.
    connection : {"weak", "strong"}, default "weak"
        What makes a component, as in `components`.
    n_points : int, default 51
        At how many moments the graph is looked at, all and nothing of it included.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) are there at all.
    rng : int or numpy.random.Generator, default 0
        Of random orders.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    pandas.DataFrame
        One row per moment: ``removed``, the share of edges or nodes that is gone, and
        ``n_removed``, their number; ``threshold``, |w| or the value of the last one (NaN before
        there is one, and in random order); ``largest``, nodes of the largest component, and
        ``largest_share`` of all nodes; ``n_components``; ``pairs``, of the pairs of an input and
        an output that a path joins in the whole graph, the share that one still joins;
        ``paths``, the share of these paths that is left. The last two are NaN where inputs and
        outputs are not known, or there is no path; the last one where there are loops, too.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    NonFiniteWeightError
        If weights are compared, and one is NaN or infinite.
    UndefinedMeasureError
        If strong components are asked for where there are no loops: each is a single node.
    GraphSizeError
        If a network has more than `max_edges` edges, or there is not the memory for its paths.

    Notes
    -----
    What is taken away is put back from the end, and components are joined (union-find): all moments
    together take O(n_edges log n_edges). A pair is joined until the moment at which its
    longest-lived path goes, found for all moments at once in O(n_edges) for each input or each
    output, whichever are fewer; paths take O(n_edges) a moment, strong components, too.

    References
    ----------
    .. [1] Albert, Jeong, Barabási, "Error and attack tolerance of complex networks", Nature 406
       (2000).
    .. [2] Newman, Ziff, "Fast Monte Carlo algorithm for site or bond percolation", Physical Review
       E 64 (2001).

    Examples
    --------
    >>> import cntgraph as cg
    >>> table = cg.percolation(cg.toy("mlp"), n_points=5)
    >>> table[["removed", "threshold", "largest", "pairs", "paths"]].round(3)
       removed  threshold  largest  pairs  paths
    0     0.00        NaN       20  1.000  1.000
    1     0.25      0.164       20  1.000  0.419
    2     0.50      0.327       20  1.000  0.117
    3     0.75      0.592       17  0.417  0.023
    4     1.00      1.163        1  0.000  0.000
    """
    check_connection(connection)
    if n_points < 2:
        raise CntGraphError(f"expected at least 2 points, all and nothing; got {n_points}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    if connection == "strong" and components(graph, connection="strong").largest <= 1:
        raise UndefinedMeasureError(
            "there are no loops, and every strong component is a single node; use "
            "connection='weak', or the columns 'pairs' and 'paths' of it"
        )
    ranking = _ranking(graph, remove, rng)
    removal = _removal(graph, ranking, n_points)
    sizes = _weak(graph, removal) if connection == "weak" else _strong(graph, removal)
    return _table(graph, ranking, removal, *sizes)


class _Ranking(NamedTuple):
    """Edges or nodes in the order in which they go, and what they are ordered by."""

    order: Ids
    values: Values
    of_nodes: bool


def _ranking(graph: Graph, remove: Removed | ArrayLike, rng: Rng) -> _Ranking:
    if not isinstance(remove, str):
        values = np.asarray(remove, dtype=np.float64)
        if values.shape != (graph.n_nodes,) or np.isnan(values).any():
            raise CntGraphError(
                f"expected remove to be one value per node, shape ({graph.n_nodes},), none of "
                f"them NaN; got {values.shape}"
            )
        return _Ranking(np.argsort(-values, kind="stable"), values, True)
    if remove not in get_args(Removed):
        choices = ", ".join(map(repr, get_args(Removed)))
        raise CntGraphError(f"expected remove to be {choices} or values of nodes; got {remove!r}")
    of_nodes = remove not in _OF_EDGES
    if remove.startswith("random"):
        n = graph.n_nodes if of_nodes else graph.n_edges
        return _Ranking(np.random.default_rng(rng).permutation(n), np.full(n, np.nan), of_nodes)
    check_weights(graph, noun=f"percolation by {remove}")
    if of_nodes:
        values = node_strength(graph, transform="absolute", edges="all", bias=False)
    else:
        values = np.abs(graph.adjacency.data).astype(np.float64)
    sign = 1.0 if remove == "smallest" else -1.0
    return _Ranking(np.argsort(sign * values, kind="stable"), values, of_nodes)


def _removal(graph: Graph, ranking: _Ranking, n_points: int) -> Removal:
    """Return when each edge and node goes, counted in what has gone, and when to look."""
    n = len(ranking.order)
    times = np.empty(n, dtype=np.int64)
    times[ranking.order] = np.arange(1, n + 1)
    moments = np.unique(np.linspace(0, n, n_points).round().astype(np.int64))
    if not ranking.of_nodes:
        return Removal(times, np.full(graph.n_nodes, n + 1), moments)
    matrix = graph.adjacency
    before = np.repeat(times, np.diff(matrix.indptr))
    return Removal(np.minimum(before, times[matrix.indices]), times, moments)


def _weak(graph: Graph, removal: Removal) -> tuple[Ids, Ids]:
    """Return size of the largest and number of weak components at each moment."""
    from cntgraph.core.kernels.percolation import parts_at

    matrix, backwards = graph.adjacency, removal.moments[::-1]
    source = np.repeat(np.arange(graph.n_nodes), np.diff(matrix.indptr))
    edge_ends, node_ends = (
        len(times) - np.searchsorted(np.sort(times), backwards, side="right")
        for times in (removal.edge_times, removal.node_times)
    )
    order = np.argsort(-removal.edge_times, kind="stable")
    found = np.zeros((2, len(backwards)), dtype=np.int64)
    if graph.n_nodes:
        parts_at(source, matrix.indices, order, edge_ends, node_ends, *found)
    return found[0, ::-1], found[1, ::-1]


def _strong(graph: Graph, removal: Removal) -> tuple[Ids, Ids]:
    """Return size of the largest and number of strong components at each moment."""
    found = []
    for moment in removal.moments:
        parts = components(graph.keep_edges(removal.edge_times > moment), connection="strong")
        n_gone = int((removal.node_times <= moment).sum())  # each is a component of its own
        left = graph.n_nodes - n_gone
        found.append((min(parts.largest, left), parts.n_components - n_gone))
    return tuple(np.array(found, dtype=np.int64).T)  # type: ignore[return-value]


def _table(
    graph: Graph, ranking: _Ranking, removal: Removal, largest: Ids, n_components: Ids
) -> pd.DataFrame:
    import pandas as pd

    gone = removal.moments
    ordered = np.concatenate([[np.nan], ranking.values[ranking.order]])
    return pd.DataFrame(
        {
            "removed": gone / max(len(ranking.order), 1),
            "n_removed": gone,
            "threshold": ordered[gone],
            "largest": largest,
            "largest_share": largest / max(graph.n_nodes, 1),
            "n_components": n_components,
            "pairs": shares_of_pairs(graph, removal),
            "paths": shares_of_paths(graph, removal),
        }
    )
