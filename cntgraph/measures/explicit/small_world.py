"""Small-world index: more clustered than chance, and paths hardly longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import (
    MAX_OPERATIONS,
    check_operations,
    symmetric,
    undirected_igraph,
)
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.square_clustering import squares
from cntgraph.measures.explicit.wiring import Wiring
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from cntgraph.measures.explicit.engine import Seed

Cycles = Literal["triangle", "square"]


@dataclass(frozen=True)
class SmallWorld:
    """How clustered and how short a network is, against networks of the same degrees.

    Parameters
    ----------
    sigma : float
        (clustering / null_clustering) / (path_length / null_path_length): above 1 in a small
        world.
    clustering : float
        Mean clustering coefficient over the nodes, of triangles or of squares.
    path_length : float
        Mean number of hops over the connected pairs of nodes, in either direction.
    null_clustering, null_path_length : float
        Means of the same over the nulls.
    """

    sigma: float
    clustering: float
    path_length: float
    null_clustering: float
    null_path_length: float


@takes(Network, Graph)
def small_world(
    net_or_graph: Network | Graph,
    *,
    cycles: Cycles = "triangle",
    n_nulls: int = 20,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> SmallWorld:
    """Return the small-world index σ of the undirected graph.

    Far above 1, a network is more clustered than chance makes it, and about as short; about 1, it
    is as chance makes it.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights. A dense layer is its own null: keep the
        strong edges first.
    cycles : {"triangle", "square"}, default "triangle"
        Which clustering: `clustering`; or `square_clustering`, for a network of layers without
        skips, which has no triangles.
    n_nulls : int, default 20
        How many randomly wired networks of the same degrees in every block.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
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
    SmallWorld

    Raises
    ------
    UndefinedMeasureError
        If the network or all its nulls have no cycles of the kind; or no two edges can be
        swapped.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    σ = (C/C_null)/(L/L_null), as networkx's ``sigma``, with two differences: nulls swap edges
    within blocks, and so keep the layers; and L is over connected pairs, as nulls of a network
    need not be connected. The index ω (Telesford) is not given: it compares with a lattice of
    the same degrees, and no lattice has the layers of a network. O(n_nodes · n_edges) for the
    network and each null.

    References
    ----------
    .. [1] M. D. Humphries, K. Gurney, "Network 'small-world-ness'", PLoS ONE 3 (2008).

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"), threshold=0.5)
    >>> found = small_world(graph, cycles="square", n_nulls=5)
    >>> round(found.sigma, 2), round(found.path_length, 2)
    (0.74, 2.56)
    """
    if cycles not in get_args(Cycles):
        raise CntGraphError(f"expected cycles to be 'triangle' or 'square', got {cycles!r}")
    if n_nulls < 1:
        raise CntGraphError(f"expected at least one null, got n_nulls={n_nulls}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    work = operations(graph.n_nodes, graph.n_edges, n_nulls)
    check_operations(
        "small_world", work, max_operations, "pass a smaller n_nulls=", show=show_progress
    )
    wiring, random = Wiring.of(graph), np.random.default_rng(rng)
    own = _measured(wiring, cycles)
    _check(own[0], cycles, "the network")
    nulls = [
        _measured(wiring.rewired(random, noun="small_world"), cycles)
        for _ in progress(range(n_nulls), "rewired networks", show=show_progress)
    ]
    null_clustering, null_length = (float(x) for x in np.mean(nulls, axis=0))
    _check(null_clustering, cycles, "its nulls")
    sigma = (own[0] / null_clustering) / (own[1] / null_length)
    return SmallWorld(sigma, *own, null_clustering, null_length)


def operations(n_nodes: int, n_edges: int, n_nulls: int = 20) -> float:
    """Return how many elementary operations it takes.

    Examples
    --------
    >>> operations(1000, 20_000, n_nulls=1)
    80000000.0
    """
    return 2.0 * n_nodes * n_edges * (n_nulls + 1)


def _measured(wiring: Wiring, cycles: Cycles) -> tuple[float, float]:
    """Return the mean clustering of a wiring, and its mean path length."""
    if not wiring.n_edges:
        return 0.0, 0.0
    pairs = symmetric(wiring.matrix())
    pairs.data[:] = 1.0
    made, _ = undirected_igraph(pairs)
    if cycles == "square":
        values: NDArray[np.float64] = squares(pairs)
    else:
        values = np.array(made.transitivity_local_undirected(mode="zero"), np.float64)
    return float(values.mean()), float(made.average_path_length(directed=False, unconn=True))


def _check(clustering: float, cycles: Cycles, whose: str) -> None:
    if clustering > 0:
        return
    other = {
        "triangle": "a network of layers without skips has none; pass cycles='square'",
        "square": "nothing can be compared",
    }[cycles]
    raise UndefinedMeasureError(
        f"small_world compares clustering, and there is no {cycles} in {whose}: {other}"
    )
