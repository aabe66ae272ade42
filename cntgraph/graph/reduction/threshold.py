"""A threshold on |w|."""

from __future__ import annotations

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.graph.signs import check_weights


@takes(Graph)
def threshold_edges(graph: Graph, threshold: float) -> Reduced:
    """Keep the edges whose weight is, in magnitude, not below a threshold.

    Parameters
    ----------
    graph : Graph
    threshold : float
        Keep edges with ``abs(weight) >= threshold``. 0 keeps all.

    Returns
    -------
    Reduced

    Raises
    ------
    CntGraphError
        If the threshold is negative or NaN.
    NonFiniteWeightError
        If a weight is NaN or infinite.

    Notes
    -----
    One pass over the edges. Magnitudes are compared by definition, so no sign policy is needed.
    ``build_graph(threshold=)`` keeps the same edges, and says nothing of what it leaves out.
    Weights of different layers are on different scales: a threshold for all tends to cut off the
    wide ones. `keep_top_edges` and the backbones go by node.

    Examples
    --------
    >>> import cntgraph as cg
    >>> threshold_edges(cg.build_graph(cg.toy("cnn")), 1)
    <Reduced: 103 of 638 edges (16.1 %), 40.7 % of Σ|w|>
    """
    if not threshold >= 0:
        raise CntGraphError(f"expected a threshold of 0 or more, got {threshold!r}")
    check_weights(graph, noun="a threshold on |w|")
    return reduced(graph, graph.keep_edges(np.abs(graph.adjacency.data) >= threshold))
