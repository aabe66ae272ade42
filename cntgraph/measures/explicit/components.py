"""Components: the parts of a graph whose nodes paths lead from each to each."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Ids
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import topology
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.network.network import Edges, Network

Connection = Literal["weak", "strong"]


class Components(NamedTuple):
    """The components of a graph, the largest first; of equal ones, that of the first node.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_nodes,)
        The component of each node, from 0.
    sizes : ndarray of int64, shape (n_components,)
        Nodes of each.
    """

    labels: Ids
    sizes: Ids

    @property
    def n_components(self) -> int:
        """How many there are."""
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """Nodes of the largest; 0 of a graph without nodes."""
        return int(self.sizes.max(initial=0))


@takes(Network, Graph)
def components(
    net_or_graph: Network | Graph,
    *,
    connection: Connection = "weak",
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> Components:
    """Return the connected components of a graph.

    Whether the network hangs together: as a rule it is one component, and more where edges were
    pruned or branches never meet.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights: one of weight zero is an edge.
    connection : {"weak", "strong"}, default "weak"
        Whether paths may go against the edges. In a network without loops every strong
        component is a single node.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    Components
        ``labels``, ``sizes``, ``n_components``, ``largest``.

    Raises
    ------
    CntGraphError
        If `connection` is neither.
    GraphSizeError
        If a network has more than `max_edges` edges.

    Notes
    -----
    In SciPy, O(n_nodes + n_edges).

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> cg.components(cg.threshold_edges(graph, 0.6).graph).sizes
    array([17,  1,  1,  1])
    """
    from scipy.sparse.csgraph import connected_components

    check_connection(connection)
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    if not graph.n_nodes:
        return Components(*np.zeros((2, 0), dtype=np.int64))
    links = topology(graph)  # of parallel edges, SciPy's search for strong ones finds no end
    labels = connected_components(links, connection=connection)[1]
    _, first, codes, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    return Components(np.argsort(order)[codes], sizes[order])


def check_connection(connection: str) -> None:
    """Raise if `connection` is none of those that components have.

    Raises
    ------
    CntGraphError
    """
    if connection not in get_args(Connection):
        raise CntGraphError(f"expected connection to be 'weak' or 'strong', got {connection!r}")


def operations(n_nodes: int, n_edges: int) -> float:
    """Return how many elementary operations it takes.

    Examples
    --------
    >>> operations(1000, 20_000)
    21000.0
    """
    return float(n_nodes + n_edges)
