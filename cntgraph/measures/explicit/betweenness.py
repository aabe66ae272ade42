"""Betweenness: how many shortest paths lead through a node, or along an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split
from cntgraph.measures.explicit.distances import operations
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, directed_igraph
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.lengths import Length, by_length, positive_lengths
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from cntgraph.measures.explicit.engine import Seed


#: Sources that igraph gets at a time, between two steps of the progress bar.
_PART = 256


@takes(Network, Graph)
def betweenness(
    net_or_graph: Network | Graph,
    *,
    length: Length | None = None,
    sign: Sign | None = None,
    n_samples: int | None = None,
    rng: Seed = 0,
    normalized: bool = True,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> Values | Split[Values]:
    """Return the betweenness centrality of every node, of directed shortest paths.

    How much of what takes the shortest way passes through a node: large for those that many paths
    need, 0 for those that none does.

    Parameters
    ----------
    net_or_graph : Network or Graph
    length : {"inverse", "neglog"}, optional
        What an edge of weight w costs: 1/w, or -log(w / max w). By default every edge is one
        hop, and weights do not matter. An edge of weight 0 then carries no path.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights. Needed with `length` if there are any. Without
        `length`, it chooses the edges that paths may take.
    n_samples : int, optional
        Estimate it from the paths that start at so many nodes, drawn without replacement.
    rng : int or numpy.random.Generator, default 0
        What draws them, or its seed.
    normalized : bool, default True
        Divide by the number of pairs, (n - 1)(n - 2).
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse, by `operations`, what would take longer.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If weights are used, some are negative, and there is no `sign`.
    NonFiniteWeightError
        If weights are used and one is NaN or infinite.
    GraphSizeError
        If it would take too long; `n_samples` is the way out.

    Notes
    -----
    With σ_st the number of shortest paths from s to t and σ_st(v) of those through v,

        B(v) = Σ_{s ≠ v ≠ t} σ_st(v) / σ_st

    by Brandes' algorithm in igraph: O(n_nodes · n_edges) without lengths, O(n_nodes · n_edges +
    n_nodes² log n_nodes) with; `n_samples` in the place of one n_nodes. Samples are scaled as in
    networkx 3.5 and later, so that estimates of sampled and of other nodes compare: by n - 1
    over the number of samples that are not the node itself. Parallel edges are one, whose weight
    is the sum of their magnitudes.

    Paths are equally long if their lengths differ by rounding; networkx compares floats exactly,
    and so misses ties of sums whose terms are the same in another order.

    Under ``"neglog"`` the edges of largest weight have length 0; they are taken to be 1e-7 of the
    greatest length, so that of paths as long as each other the one of fewest edges counts.

    In a network of layers without skips, input and output nodes have betweenness 0: no path
    leads through them.

    References
    ----------
    .. [1] U. Brandes, "A faster algorithm for betweenness centrality", J. Math. Sociol. 25 (2001).
    .. [2] U. Brandes, C. Pich, "Centrality estimation in large networks", Int. J. Bifurcation and
       Chaos 17 (2007).

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> net.split(betweenness(net))["fc2"].round(4)
    array([0.0205, 0.0205, 0.0205, 0.0205])
    >>> net.split(betweenness(net, length="inverse", sign="absolute"))["fc2"].round(4)
    array([0.    , 0.0146, 0.0322, 0.0351])
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    sources = _sources(graph.n_nodes, n_samples, rng)
    work = operations(len(sources), graph.n_edges)
    check_operations(
        "betweenness", work, max_operations, "sample sources with n_samples=", show=show_progress
    )

    def measure(lengths: csr_array) -> Values:
        total = _accumulated("betweenness", lengths, length, sources, graph.n_nodes, show_progress)
        return _scaled(total, sources, normalized)

    return by_length(graph, sign, length, measure, noun="betweenness")


@takes(Network, Graph)
def edge_betweenness(
    net_or_graph: Network | Graph,
    *,
    length: Length | None = None,
    sign: Sign | None = None,
    normalized: bool = True,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> Values | Split[Values]:
    """Return how many shortest paths lead along every edge.

    Large for edges that many shortest paths need; without them ways are longer, or there are none.

    Parameters
    ----------
    net_or_graph, length, sign, edges, max_edges, max_operations
        As in `betweenness`.
    normalized : bool, default True
        Divide by the number of pairs, n (n - 1).

    Returns
    -------
    ndarray of float64, shape (n_edges,)
        In the order of ``adjacency.data`` of the graph, or of that which `build_graph` makes of
        the network (with `edges`). Each of parallel edges has what leads along all of them; an
        edge that no path may take has 0. Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError, NonFiniteWeightError, GraphSizeError
        As `betweenness`.

    Notes
    -----
    Σ_st σ_st(e) / σ_st, in igraph, at the cost of `betweenness`.

    References
    ----------
    .. [1] M. Girvan, M. E. J. Newman, "Community structure in social and biological networks",
       PNAS 99 (2002).

    Examples
    --------
    >>> import cntgraph as cg
    >>> edge_betweenness(cg.toy("mlp"), normalized=False)[:3]
    array([1.75, 1.75, 1.75])
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    n = graph.n_nodes
    work = operations(n, graph.n_edges)
    check_operations("edge_betweenness", work, max_operations, "measure nodes with n_samples=")

    def measure(lengths: csr_array) -> Values:
        sources = np.arange(n)
        total = _accumulated("edge_betweenness", lengths, length, sources, lengths.nnz, False)
        return _on_edges(graph, lengths, total / max(n * (n - 1), 1) if normalized else total)

    return by_length(graph, sign, length, measure, noun="edge_betweenness")


def _sources(n_nodes: int, n_samples: int | None, rng: Seed) -> NDArray[np.int64]:
    if n_samples is None or n_samples == n_nodes:
        return np.arange(n_nodes)
    if not 2 <= n_samples <= n_nodes:
        raise CntGraphError(
            f"expected n_samples to be 2 to {n_nodes} (the number of nodes), got {n_samples}"
        )
    return np.sort(np.random.default_rng(rng).choice(n_nodes, n_samples, replace=False))


def _accumulated(
    name: str, lengths: csr_array, length: Length | None, sources: Any, size: int, show: bool
) -> Values:
    """Add up what the paths from some sources give, part by part."""
    method = getattr(directed_igraph(lengths), name)
    weights = None if length is None else positive_lengths(lengths).data.tolist()
    if not lengths.nnz:
        return np.zeros(size)
    total = np.zeros(size)
    parts = [sources[k : k + _PART].tolist() for k in range(0, len(sources), _PART)]
    for part in progress(parts, name, show=show):
        total += method(sources=part, weights=weights)
    return total


def _on_edges(graph: Graph, lengths: csr_array, values: Values) -> Values:
    """Return the values of the edges that paths take in the order of all edges of a graph."""
    paths, own = _pairs(lengths), _pairs(graph.adjacency)
    place = np.minimum(np.searchsorted(paths, own), max(len(paths) - 1, 0))
    if not len(paths):
        return np.zeros(len(own))
    return np.where(paths[place] == own, values[place], 0.0)


def _pairs(matrix: csr_array) -> NDArray[np.int64]:
    """Return a number for the ends of each entry; ascending, as columns do within rows."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    numbers: NDArray[np.int64] = rows * matrix.shape[0] + matrix.indices
    return numbers


def _scaled(total: Values, sources: NDArray[np.int64], normalized: bool) -> Values:
    """Scale sums over sampled sources to all of them, and to the number of pairs."""
    n, k = len(total), len(sources)
    if n < 3:
        return total
    if k < n:
        # A node that is a source itself lies between others for one source less.
        others = np.full(n, float(k))
        others[sources] -= 1
        total = total * (n - 1) / others
    return total / ((n - 1) * (n - 2)) if normalized else total
