"""The explicit graph that a measure of single edges works on: unrolled, chosen edges, simple."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.graph.building import build_graph
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.network import Edges, Network, check_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Edges up to which a measure unrolls a network by itself.
MAX_EDGES = 5_000_000


def explicit_graph(
    net_or_graph: Network | Graph, *, edges: Edges = "all", max_edges: int = MAX_EDGES
) -> Graph:
    """Return the graph of the chosen edges, unrolled if it is not yet.

    Parameters
    ----------
    net_or_graph : Network or Graph
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    Graph

    Raises
    ------
    GraphSizeError
        If a network has more than `max_edges` edges; the message carries the estimate.

    Examples
    --------
    >>> import cntgraph as cg
    >>> explicit_graph(cg.toy("cnn"), edges="parametric")
    <Graph: 4 layers, 129 nodes, 566 edges>
    """
    if isinstance(net_or_graph, Network):
        return build_graph(net_or_graph, edges=edges, max_edges=max_edges)
    check_edges(edges)
    if edges == "all" or net_or_graph.parametric.all():
        return net_or_graph
    return net_or_graph.keep_edges(net_or_graph.parametric[net_or_graph.edge_block])


def magnitude_matrix(graph: Graph, transform: Transform) -> csr_array:
    """Return the simple matrix of magnitudes that a measure under a sign policy works on.

    Parameters
    ----------
    graph : Graph
    transform : {"absolute", "positive", "negative"}
        ``"positive"`` leaves out edges with w < 0, ``"negative"`` those with w > 0; an edge of
        weight zero stays an edge of weight zero.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (n_nodes, n_nodes)
        Weights ≥ 0; parallel edges are added up.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> [magnitude_matrix(graph, t).nnz for t in ("absolute", "positive", "negative")]
    [88, 46, 42]
    """
    wrong = {"positive": -1.0, "negative": 1.0}.get(transform)
    if wrong is not None:
        graph = graph.keep_edges(np.sign(graph.adjacency.data) != wrong)
    old = graph.adjacency
    data = np.abs(apply_transform(old.data, transform))
    matrix = csr_of(data, old.indices.copy(), old.indptr.copy(), old.shape)
    matrix.sum_duplicates()
    return matrix
