"""PageRank: where a random walk along the edges spends its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.matrix_free.operator import adjacency_operator
from cntgraph.measures.matrix_free.sweep import walk_sums
from cntgraph.measures.strength import node_strengths
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def pagerank(
    net_or_graph: Network | Graph,
    *,
    alpha: float = 0.85,
    personalization: ArrayLike | None = None,
    sign: Sign | None = None,
    edges: Edges = "all",
    tol: float = 1e-12,
    max_iter: int = 1000,
    show_progress: bool = True,
) -> Values | Split[Values]:
    """Return the PageRank of every node.

    Where a walker is found who follows edges by their weight, and jumps now and then: large for
    nodes that strong edges of such nodes lead to. In a feed-forward network it gathers towards the
    output, so that nodes of one layer compare.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    alpha : float, default 0.85
        Probability of following an edge instead of jumping, 0 ≤ alpha < 1.
    personalization : array-like, shape (n_nodes,), optional
        Where a jump leads, in proportion; not negative. Default: to every node alike.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What is taken of negative weights.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    tol : float, default 1e-12
        Round a loop: the relative change by a step at which to stop. Not used without loops.
    max_iter : int, default 1000
        Round a loop: the number of steps.
    show_progress : bool, default True

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        In node order; sums to one. A `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If there is no node.
    ConvergenceError
        If a loop did not come to rest.

    Notes
    -----
    The walk follows an edge i → j with probability w_ij / Σₖ w_ik, and jumps from a node
    without (weighted) out-edges, as networkx's. With P that matrix and v the jumps,

        x = y / Σ y,    y = (I − α Pᵀ)⁻¹ v

    which a feed-forward network solves exactly in a single sweep through its blocks: the cost
    is a pass over the weights for the out-strengths and one product with each block,
    O(n_edges) multiplications and O(n_nodes) memory. Round a loop the walk is followed step by
    step. Use ``sign="split"`` for a rank in the graph of positive weights and one in that of
    negative ones.

    References
    ----------
    .. [1] Brin and Page, "The anatomy of a large-scale hypertextual web search engine",
       Computer Networks 30, 1998, section 2.1.
    .. [2] Langville and Meyer, "Deeper inside PageRank", Internet Mathematics 1(3), 2004.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> rank = pagerank(net, sign="absolute")
    >>> round(float(rank.sum()), 9), int(rank.argmax())
    (1.0, 19)
    """
    if not 0 <= alpha < 1:
        raise CntGraphError(f"expected 0 <= alpha < 1, got {alpha}")

    def measure(transform: Transform) -> Values:
        operator = adjacency_operator(
            net_or_graph, transform=transform, edges=edges, magnitude=True
        )
        jumps = _jumps(net_or_graph.n_nodes, personalization)
        scale = _shares(net_or_graph, transform, edges, alpha)
        found = walk_sums(
            operator, jumps, scale, tol=tol, max_iter=max_iter, noun="PageRank",
            advice="raise max_iter or tol, or lower alpha", show_progress=show_progress,
        )  # fmt: skip
        found /= found.sum()
        return found

    return by_sign(net_or_graph, sign, measure, edges=edges, noun="PageRank")


def _jumps(n_nodes: int, personalization: ArrayLike | None) -> Values:
    """Return the probability of a jump to each node."""
    if not n_nodes:
        raise UndefinedMeasureError("PageRank is a share of each node; there is no node")
    if personalization is None:
        return np.full(n_nodes, 1.0 / n_nodes)
    jumps = np.array(personalization, dtype=np.float64)
    if jumps.shape != (n_nodes,):
        raise CntGraphError(
            f"expected one personalization per node, ({n_nodes},); got {jumps.shape}"
        )
    if not (np.isfinite(jumps).all() and jumps.min() >= 0 and jumps.sum() > 0):
        raise CntGraphError("expected a personalization that is finite, not negative and not all 0")
    jumps /= jumps.sum()
    return jumps


def _shares(
    net_or_graph: Network | Graph, transform: Transform, edges: Edges, alpha: float
) -> Values:
    """Return α over the strength of the edges that leave a node; 0 where there is none."""
    out = np.abs(
        node_strengths(net_or_graph, transform=transform, edges=edges, bias=False).outgoing
    )
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        shares = alpha / out
    # The strengths of subnormal weights have no finite inverse, and lead nowhere.
    shares[~np.isfinite(shares)] = 0.0
    return shares
