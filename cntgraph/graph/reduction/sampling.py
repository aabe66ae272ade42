"""Random edges, and random nodes of every layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.nodes import keep_nodes
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.graph.signs import check_weights

Rng = int | np.random.Generator


@takes(Graph)
def sample_edges(
    graph: Graph,
    n: int | None = None,
    *,
    fraction: float | None = None,
    weighted: bool = False,
    rng: Rng = 0,
) -> Reduced:
    """Keep random edges, drawn without replacement.

    Parameters
    ----------
    graph : Graph
    n : int, optional
        How many; all of them where there are fewer.
    fraction : float, optional
        Or which share of the edges, from 0 to 1, rounded to a number of edges.
    weighted : bool, default False
        Whether an edge is drawn in proportion to |w|, one after another, so that one of weight
        zero is never; otherwise all are equally likely.
    rng : int or numpy.random.Generator, default 0
        Where randomness comes from; an int gives the same edges every time.

    Returns
    -------
    Reduced
        All nodes stay, and weights are not scaled up.

    Raises
    ------
    CntGraphError
        If not one of `n` and `fraction` is given, or it is out of range.
    NonFiniteWeightError
        If weights count and one is NaN or infinite.

    Notes
    -----
    Magnitudes are compared by definition, so no sign policy is needed. Drawing with weights takes
    the edges with the smallest E/|w|, E exponentially distributed [1]_. O(n_edges).

    References
    ----------
    .. [1] Efraimidis, Spirakis, "Weighted random sampling with a reservoir", Information
       Processing Letters 97 (2006) 181.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> sample_edges(graph, 22).edge_fraction
    0.25
    >>> sample_edges(graph, fraction=0.25, weighted=True).graph
    <Graph: 4 layers, 20 nodes, 22 edges>
    """
    random = np.random.default_rng(rng)
    n = min(_wanted(graph, n, fraction), graph.n_edges)
    kept = np.zeros(graph.n_edges, dtype=bool)
    if weighted:
        check_weights(graph, noun="a sample by weight")
        kept[_weighted_choice(graph, n, random)] = True
    else:
        kept[random.choice(graph.n_edges, n, replace=False, shuffle=False)] = True
    return reduced(graph, graph.keep_edges(kept))


@takes(Graph)
def sample_nodes(graph: Graph, n_per_layer: int, *, rng: Rng = 0) -> Reduced:
    """Keep random nodes of every layer, and the edges among them.

    Parameters
    ----------
    graph : Graph
    n_per_layer : int
        How many of each layer, drawn without replacement; all of a layer that has fewer.
    rng : int or numpy.random.Generator, default 0
        Where randomness comes from; an int gives the same nodes every time.

    Returns
    -------
    Reduced
        As of `keep_nodes`: nodes in their order, each with its place in its layer.

    Raises
    ------
    CntGraphError
        If `n_per_layer` is negative.

    Notes
    -----
    About (n_per_layer/size of the layer)² of the edges between two layers stay. Weights are not
    looked at. O(n_edges).

    Examples
    --------
    >>> import cntgraph as cg
    >>> reduced = sample_nodes(cg.build_graph(cg.toy("cnn")), 10)
    >>> [layer.n_nodes for layer in reduced.graph.layers]
    [10, 10, 10, 3]
    """
    _check_count(n_per_layer, "nodes per layer")
    random = np.random.default_rng(rng)
    kept = np.zeros(graph.n_nodes, dtype=bool)
    for layer in graph.layers:
        chosen = random.choice(layer.n_nodes, min(n_per_layer, layer.n_nodes), replace=False)
        kept[layer.start + chosen] = True
    return keep_nodes(graph, kept)


def _wanted(graph: Graph, n: int | None, fraction: float | None) -> int:
    if (n is None) == (fraction is None):
        raise CntGraphError(f"expected one of n and fraction; got n={n!r}, fraction={fraction!r}")
    if fraction is not None:
        if not 0 <= fraction <= 1:
            raise CntGraphError(f"expected a fraction between 0 and 1, got {fraction!r}")
        return round(fraction * graph.n_edges)
    return _check_count(n, "edges")


def _check_count(n: int | None, what: str) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise CntGraphError(f"expected a number of {what} of 0 or more, got {n!r}")
    return int(n)


def _weighted_choice(graph: Graph, n: int, random: np.random.Generator) -> NDArray[np.int64]:
    sizes = np.abs(graph.adjacency.data).astype(np.float64)
    candidates = np.flatnonzero(sizes)
    if n >= candidates.size:
        return candidates
    keys = random.exponential(size=candidates.size) / sizes[candidates]
    return candidates[np.argpartition(keys, n)[:n]]
