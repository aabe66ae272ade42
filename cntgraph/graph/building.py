"""build_graph: a network unrolled into an explicit graph, if it is not too large for that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cntgraph.core.errors import GraphSizeError
from cntgraph.core.memory import check_memory
from cntgraph.graph.graph import Graph
from cntgraph.graph.unrolling import assemble, induced
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.coarsening.grouping import Aggregation
from cntgraph.network.network import Edges, Network, coarsen

#: Edges up to which a network is unrolled without being asked: about 2 GiB.
MAX_EDGES = 200_000_000


def build_graph(
    net: Network,
    *,
    granularity: Granularity = "neuron",
    aggregation: Aggregation = "sum",
    layers: Sequence[str] | None = None,
    edges: Edges = "all",
    threshold: float | None = None,
    max_edges: int = MAX_EDGES,
) -> Graph:
    """Unroll a network into one CSR adjacency over all its nodes.

    Parameters
    ----------
    net : Network
        The network.
    granularity : {"neuron", "channel", "layer"}, default "neuron"
        What a node is: a neuron, a channel (a feature map, a unit, a token's feature) or a
        layer; see `coarsen`.
    aggregation : {"sum", "l1", "l2"}, default "sum"
        What an edge's weight is of those between two channels or layers.
    layers : sequence of str, optional
        Keep these layers only, and the edges among them.
    edges : {"all", "parametric"}, default "all"
        Whether to keep structural edges (pooling, identity).
    threshold : float, optional
        Keep edges with ``abs(weight) >= threshold`` only, and none of weight NaN;
        `threshold_edges` does so, too, and says what share of edges and weights that is.
    max_edges : int, default 200 million
        Refuse, before anything is allocated, to unroll more edges than this.

    Returns
    -------
    Graph

    Raises
    ------
    GraphSizeError
        If there would be more than `max_edges` edges; the message carries the estimate.

    Notes
    -----
    The number of edges of every row is known in closed form, so the arrays are allocated once
    and every block writes its edges to their place.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("cnn"), edges="parametric")
    >>> graph.adjacency.shape == (graph.n_nodes, graph.n_nodes)
    True
    >>> graph = cg.build_graph(cg.toy("cnn"), granularity="layer", aggregation="l1")
    >>> graph.adjacency.toarray().round(2)
    array([[ 0.  ,  6.08,  0.  ,  0.  ],
           [ 0.  ,  0.  ,  8.  ,  0.  ],
           [ 0.  ,  0.  ,  0.  , 21.41],
           [ 0.  ,  0.  ,  0.  ,  0.  ]])
    """
    net = coarsen(net, granularity, aggregation=aggregation)
    if layers is not None:
        net = induced(net, layers)
    estimate = net.estimate(edges=edges)
    if estimate.n_edges > max_edges:
        raise GraphSizeError(
            f"the unrolled graph would have {estimate}; the limit is max_edges={max_edges:,}. "
            "Choose layers=, or use measures on the network itself, which need no explicit graph; "
            "or raise max_edges"
        )
    check_memory(estimate.nbytes, f"the unrolled graph of {estimate.n_edges:,} edges")
    blocks = net.select_blocks(edges)
    names = tuple(block.name for block in blocks)
    parametric = np.array([block.parametric for block in blocks], dtype=bool)
    adjacency, marks = assemble(net.n_nodes, blocks)
    biases = (net.bias(edges), net.bias("parametric"))
    graph = Graph(adjacency, marks, net.layers, names, parametric, *biases, labels=net.labels)
    return graph if threshold is None else graph.keep_edges(np.abs(adjacency.data) >= threshold)
