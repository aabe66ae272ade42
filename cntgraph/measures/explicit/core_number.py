"""Core number: the densest core of the graph that a node belongs to."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import directed_igraph, topology
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.network.network import Edges, Network

Direction = Literal["total", "in", "out"]


@takes(Network, Graph)
def core_number(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "total",
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> NDArray[np.float64]:
    """Return the core number of every node: the greatest k whose k-core it is in.

    Large for nodes that stay when those of few edges are taken away, again and again: the dense
    middle of the network; small for those at its margin.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights.
    direction : {"total", "in", "out"}, default "total"
        Which degree counts.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Whole numbers; 0 for a node without edges.

    Raises
    ------
    UndefinedMeasureError
        If there are no loops and `direction` is ``"in"`` or ``"out"``: all cores are empty.
    GraphSizeError
        If a network has more than `max_edges` edges.

    Notes
    -----
    The k-core is what remains when nodes of fewer than k edges are taken away until there are
    none. Parallel edges are one, edges of a node to itself do not count; i → j and j → i are two.
    In a dense layered network it follows from the widths of the layers: keep the strong edges
    first. In igraph, O(n_edges).

    References
    ----------
    .. [1] V. Batagelj, M. Zaveršnik, "An O(m) algorithm for cores decomposition of networks",
       arXiv:cs/0310049 (2003).

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> {name: core.min().item() for name, core in net.split(core_number(net)).items()}
    {'input': 8.0, 'fc1': 8.0, 'fc2': 8.0, 'fc3': 4.0}
    """
    if direction not in get_args(Direction):
        raise CntGraphError(f"expected direction to be 'total', 'in' or 'out', got {direction!r}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    made = directed_igraph(topology(graph, loops=False))
    if direction != "total" and graph.n_edges and made.is_dag():
        raise UndefinedMeasureError(
            f"the cores by {direction}-degree of a graph without loops are empty, as some node "
            "of any part has no such edge; pass direction='total'"
        )
    mode = {"total": "all"}.get(direction, direction)
    return np.array(made.coreness(mode=mode), np.float64)


def operations(n_nodes: int, n_edges: int) -> float:
    """Return how many elementary operations it takes.

    Examples
    --------
    >>> operations(1000, 20_000)
    21000.0
    """
    return float(n_nodes + n_edges)
