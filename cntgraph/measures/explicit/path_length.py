"""Average path length and global efficiency: how far nodes are from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split
from cntgraph.measures.explicit.distances import distance_rows, operations
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, directed_igraph
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.lengths import Length, by_length
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Pairs = Literal["all", "input_output"]


class PathLength(NamedTuple):
    """The mean distance over connected pairs, and which part of all pairs they are."""

    mean: float
    connected: float


class _Sums(NamedTuple):
    """Over the ordered pairs of two different nodes that are connected."""

    n_connected: int
    distance: float
    inverse: float


@takes(Network, Graph)
def average_path_length(
    net_or_graph: Network | Graph,
    *,
    pairs: Pairs = "all",
    length: Length | None = None,
    sign: Sign | None = None,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> PathLength | Split[PathLength]:
    """Return the mean distance between nodes, along directed paths.

    How many steps, or how long a way, it is from a node to one that it reaches: in layers in a row
    it follows from the depth, skips make it short, and lengths say whether strong edges do.

    Parameters
    ----------
    net_or_graph : Network or Graph
    pairs : {"all", "input_output"}, default "all"
        Over all ordered pairs of nodes, or from nodes of input layers to those of output layers.
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
    PathLength
        ``mean`` over the pairs that a path connects, and ``connected``, the part of the pairs
        that they are: a directed network without loops connects at most half of all pairs.
        Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    UndefinedMeasureError
        If no pair is connected.
    SignedWeightError
        If weights are used, some are negative, and there is no `sign`.
    NonFiniteWeightError
        If weights are used and one is NaN or infinite.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    L = Σ d(i, j) / n_connected over i ≠ j with a path from i to j. Hops: igraph, O(n_nodes ·
    n_edges). Lengths: Dijkstra's algorithm in scipy, and a factor log n_nodes.

    References
    ----------
    .. [1] D. J. Watts, S. H. Strogatz, "Collective dynamics of 'small-world' networks", Nature
       393 (1998).

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = average_path_length(cg.toy("mlp"))
    >>> round(found.mean, 3), round(found.connected, 3)
    (1.457, 0.368)
    >>> average_path_length(cg.toy("mlp"), pairs="input_output")
    PathLength(mean=3.0, connected=1.0)
    """
    if pairs not in get_args(Pairs):
        raise CntGraphError(f"expected pairs to be 'all' or 'input_output', got {pairs!r}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    sources, targets = _ends(graph, pairs)
    _check(graph, len(sources), "average_path_length", max_operations, show_progress)

    def measure(lengths: csr_array) -> PathLength:
        if pairs == "all":
            sums, n_pairs = _sums(lengths, length, show_progress), _n_pairs(graph)
        else:
            sums = _sums_between(lengths, sources, targets, show_progress)
            n_pairs = len(sources) * len(targets) - len(np.intersect1d(sources, targets))
        if not sums.n_connected:
            raise UndefinedMeasureError(
                "average_path_length is the mean over connected pairs, and no path connects two "
                "nodes; global_efficiency is defined for such a graph, and is 0"
            )
        return PathLength(sums.distance / sums.n_connected, sums.n_connected / n_pairs)

    return by_length(graph, sign, length, measure, noun="average_path_length")


@takes(Network, Graph)
def global_efficiency(
    net_or_graph: Network | Graph,
    *,
    length: Length | None = None,
    sign: Sign | None = None,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> float | Split[float]:
    """Return the mean of one over the distance, over all ordered pairs of nodes.

    How easily nodes reach each other, those that cannot counting 0: large where ways are short and
    most pairs are joined.

    Parameters
    ----------
    net_or_graph, length, sign, edges, max_edges, max_operations, show_progress
        As in `average_path_length`.

    Returns
    -------
    float
        Between 0, where no path connects two nodes, and 1, where an edge leads from every node
        to every other (without `length`). Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    UndefinedMeasureError
        If there are fewer than two nodes; or two at distance 0, as under ``"neglog"`` the ends
        of an edge of largest weight are.
    SignedWeightError, NonFiniteWeightError, GraphSizeError
        As `average_path_length`.

    Notes
    -----
    E = 1/(n (n - 1)) · Σ 1/d(i, j) over i ≠ j; a pair without a path adds 0. Directed, so that
    a network without loops has at most 1/2.

    References
    ----------
    .. [1] V. Latora, M. Marchiori, "Efficient behavior of small-world networks", Phys. Rev. Lett.
       87 (2001), eq. 1.

    Examples
    --------
    >>> import cntgraph as cg
    >>> round(global_efficiency(cg.toy("mlp")), 4)
    0.2947
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    _check(graph, graph.n_nodes, "global_efficiency", max_operations, show_progress)
    if graph.n_nodes < 2:
        raise UndefinedMeasureError(
            f"global_efficiency is a mean over pairs of nodes; there are {graph.n_nodes} nodes"
        )

    def measure(lengths: csr_array) -> float:
        found = _sums(lengths, length, show_progress).inverse / _n_pairs(graph)
        if not np.isfinite(found):
            raise UndefinedMeasureError(
                "global_efficiency is the mean of one over the distance, and nodes are at distance "
                "0 of each other; pass length='inverse', or see average_path_length"
            )
        return found

    return by_length(graph, sign, length, measure, noun="global_efficiency")


def _check(graph: Graph, n_sources: int, noun: str, limit: float, show: bool) -> None:
    work = operations(n_sources, graph.n_edges)
    check_operations(noun, work, limit, "choose layers with cntgraph.build_graph", show=show)


def _n_pairs(graph: Graph) -> int:
    return graph.n_nodes * (graph.n_nodes - 1)


def _ends(graph: Graph, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    nodes = np.arange(graph.n_nodes)
    if pairs == "all":
        return nodes, nodes
    into = [nodes[layer.slice] for layer in graph.layers if layer.is_input]
    out = [nodes[layer.slice] for layer in graph.layers if layer.is_output]
    if not into or not out:
        raise UndefinedMeasureError(
            "no layer is marked as an input, or none as an output; pass pairs='all'"
        )
    return np.concatenate(into), np.concatenate(out)


def _sums(lengths: csr_array, length: Length | None, show: bool) -> _Sums:
    """Sum over all ordered pairs; hops by their histogram."""
    if length is not None:
        nodes = np.arange(lengths.shape[0])
        return _sums_between(lengths, nodes, nodes, show)
    if not lengths.nnz:
        return _Sums(0, 0.0, 0.0)
    counts = np.array([n for *_, n in directed_igraph(lengths).path_length_hist().bins()], float)
    hops = np.arange(1, len(counts) + 1)
    return _Sums(int(counts.sum()), float(counts @ hops), float(counts @ (1 / hops)))


@np.errstate(divide="ignore")
def _sums_between(
    lengths: csr_array, sources: NDArray[np.int64], targets: NDArray[np.int64], show: bool
) -> _Sums:
    n_connected, total, inverse = 0, 0.0, 0.0
    for nodes, rows in distance_rows(lengths, sources, what="distances", show=show):
        rows[np.arange(len(nodes)), nodes] = np.inf  # not to itself
        found = rows[:, targets]
        found = found[np.isfinite(found)]
        n_connected += found.size
        total += float(found.sum())
        inverse += float((1.0 / found).sum())
    return _Sums(n_connected, total, inverse)
