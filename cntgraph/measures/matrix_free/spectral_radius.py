"""Spectral radius: how much the strongest loop of a network multiplies what goes round it."""

from __future__ import annotations

from cntgraph.core.arguments import takes
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.matrix_free.loops import largest_eigenvalue, loops_of
from cntgraph.measures.matrix_free.operator import adjacency_operator
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def spectral_radius(
    net_or_graph: Network | Graph, *, transform: Transform = "signed", edges: Edges = "all"
) -> float:
    """Return the largest absolute value of the eigenvalues of the adjacency matrix.

    Whether what goes round a loop grows or dies out, activations aside: it grows above 1, and dies
    out below.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    transform : str, default "signed"
        What is taken of every weight: it is defined for weights of any sign, so that there is
        no sign policy; ``"absolute"`` is the one that `katz_centrality` asks for.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.

    Returns
    -------
    float
        Exactly 0.0 for a feed-forward network.

    Raises
    ------
    NonFiniteWeightError
        If a weight is NaN or infinite.
    ConvergenceError

    Notes
    -----
    **A feed-forward network has spectral radius 0**: its adjacency matrix is triangular with
    zeros on the diagonal, all its eigenvalues are zero, and that is a fact about its shape, not
    about its weights. `singular_values` say how strong its blocks are. With loops (recurrent
    layers) the eigenvalues are those of the strongly connected groups of nodes; up to 1,000
    nodes of a dense matrix in O(n³), beyond by ARPACK with a few hundred products. Note that
    loops of gated cells include structural edges; ``edges="parametric"`` leaves them out.

    References
    ----------
    .. [1] Newman, "Networks", 2nd edition, Oxford 2018.

    Examples
    --------
    >>> import cntgraph as cg
    >>> spectral_radius(cg.toy("cnn"))
    0.0
    """
    check_weights(net_or_graph, edges=edges, noun="the spectral radius")
    operator = adjacency_operator(net_or_graph, transform=transform, edges=edges)
    found = (largest_eigenvalue(loop, "the spectral radius") for loop in loops_of(operator))
    return max(found, default=0.0)
