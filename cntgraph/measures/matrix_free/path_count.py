"""Path count: in how many ways a value can pass from the network's input to its output."""

from __future__ import annotations

from cntgraph.core.arguments import takes
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.paths import PathSum, path_sum
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def path_count(
    net_or_graph: Network | Graph, *, edges: Edges = "all", show_progress: bool = True
) -> PathSum:
    """Return the number of paths from the nodes of the input to those of the output.

    How richly the architecture connects input and output: it grows with the product of the widths,
    and falls where edges are pruned. Values of weights do not matter to it.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    edges : {"all", "parametric"}, default "all"
        Whether paths may use structural edges (pooling, identity).
    show_progress : bool, default True

    Returns
    -------
    PathSum
        ``total`` and ``by_output`` (n_output_nodes,), and their decimal logarithms, which stay
        finite where a float does not.

    Raises
    ------
    UndefinedMeasureError
        If the network has loops, or its input or output is not known.

    Notes
    -----
    n_j = Σᵢ n_i over the edges i → j, from n = 1 on the input: one product of each block's 0/1
    matrix with a vector, O(n_edges) additions, O(n_nodes) memory. Weights are not read, so there
    is no sign policy; an edge of weight zero is an edge, parallel edges are two. Counts beyond
    2⁵³ are rounded.

    Examples
    --------
    >>> import cntgraph as cg
    >>> path_count(cg.toy("mlp")).total  # 6 · 8 · 4 · 2
    384.0
    """
    return path_sum(
        net_or_graph, "count", edges, noun="the path count", show_progress=show_progress
    )
