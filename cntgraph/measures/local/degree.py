"""Degree: the number of edges of a node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import node_strength
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def degree(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "total",
    edges: Edges = "parametric",
) -> NDArray[np.int64]:
    """Return the number of edges of every node.

    How many nodes a node hears and reaches, whatever the weights: large in dense layers and for
    wide windows, smaller at the edge of a padded feature map.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured in closed form on its blocks, a graph by its adjacency.
    direction : {"total", "in", "out"}, default "total"
        ``"in"`` counts incoming edges, ``"out"`` outgoing ones, ``"total"`` both.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.

    Returns
    -------
    ndarray of int64, shape (n_nodes,)
        In node order; ``net.split`` cuts it into layers.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    An edge of weight zero is an edge. Parallel edges (a convolution and the skip around it)
    count one by one; an edge from a node to itself counts once coming in and once going out.
    No weight is read: the cost is one write per node, however many edges there are.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.degree import degree
    >>> net = cg.toy("mlp")
    >>> net.split(degree(net))["fc1"]
    array([10, 10, 10, 10, 10, 10, 10, 10])
    >>> bool(degree(net, direction="in").sum() == net.n_edges)
    True
    """
    counts = node_strength(
        net_or_graph, direction=direction, transform="count", edges=edges, bias=False
    )
    return counts.astype(np.int64)
