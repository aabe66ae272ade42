"""Subgraph centrality: how many closed walks a node is on, long ones counting less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import GraphSizeError, UndefinedMeasureError
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import undirected_topology
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.network.network import Edges, Network

#: Nodes up to which it is computed without being asked: a minute, and 0.4 GB.
MAX_NODES = 5000


@takes(Network, Graph)
def subgraph_centrality(
    net_or_graph: Network | Graph,
    *,
    log: bool = False,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_nodes: int = MAX_NODES,
) -> NDArray[np.float64]:
    """Return the subgraph centrality of every node, on the undirected graph.

    In how many closed walks a node takes part, short ones counting most: large where its
    neighborhood is dense. Only its proportions tell, as it grows exponentially with the degrees.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights.
    log : bool, default False
        Its natural logarithm, which no graph is too dense for.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_nodes : int, default 5000
        Refuse larger graphs: all eigenvectors of a dense matrix are computed.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        At least 1, which is a node without edges.

    Raises
    ------
    GraphSizeError
        If there are more than `max_nodes` nodes.
    UndefinedMeasureError
        If it is beyond float64, about 1e308; ``log=True`` is not.

    Notes
    -----
    The diagonal of exp(S) = Σ_l S^l / l!, with S the 0/1 matrix of which nodes are connected in
    either direction, loops and parallel edges aside: Σ_j v_j² exp(λ_j) over its eigenvectors. On
    the directed graph it would be 1 for every node of a network without loops, as no walk comes
    back. O(n_nodes³).

    References
    ----------
    .. [1] E. Estrada, J. A. Rodríguez-Velázquez, "Subgraph centrality in complex networks", Phys.
       Rev. E 71 (2005), eq. 3.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> {name: float(x[0].round(1)) for name, x in net.split(subgraph_centrality(net)).items()}
    {'input': 425.6, 'fc1': 554.0, 'fc2': 520.6, 'fc3': 102.2}
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    n = graph.n_nodes
    if n > max_nodes:
        raise GraphSizeError(
            f"subgraph_centrality computes all eigenvectors of a dense matrix of {n:,} nodes; the "
            f"limit is max_nodes={max_nodes:,}. Measure a coarser graph (cntgraph.coarsen to "
            "channels) or fewer layers; or raise max_nodes"
        )
    if not n:
        return np.zeros(0)
    values, vectors = np.linalg.eigh(undirected_topology(graph).toarray())
    # The largest factored out, so that no power overflows.
    scaled = (vectors**2) @ np.exp(values - values[-1])
    logarithm: NDArray[np.float64] = np.log(scaled) + values[-1]
    if log:
        return logarithm
    if logarithm.max() > np.log(np.finfo(np.float64).max):
        raise UndefinedMeasureError(
            f"subgraph_centrality is up to e^{logarithm.max():.0f}, more than float64 holds; pass "
            "log=True"
        )
    found: NDArray[np.float64] = np.exp(logarithm)
    return found


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes; edges do not matter.

    Examples
    --------
    >>> operations(1000, 20_000)
    10000000000.0
    """
    return 10.0 * float(n_nodes) ** 3
