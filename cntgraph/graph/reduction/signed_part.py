"""The edges of a graph that a backbone under a sign policy looks at."""

from __future__ import annotations

import numpy as np

from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.transform import Transform


def signed_part(graph: Graph, transform: Transform) -> Graph:
    """Return the graph of the edges of one sign, or of both.

    Parameters
    ----------
    graph : Graph
    transform : {"absolute", "positive", "negative"}
        ``"positive"`` leaves out edges with w < 0, ``"negative"`` those with w > 0.

    Returns
    -------
    Graph
        Weights keep their sign.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> [signed_part(graph, t).n_edges for t in ("absolute", "positive", "negative")]
    [88, 46, 42]
    """
    wrong = {"positive": -1.0, "negative": 1.0}.get(transform)
    if wrong is None:
        return graph
    return graph.keep_edges(np.sign(graph.adjacency.data) != wrong)
