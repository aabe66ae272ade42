"""Katz centrality: the walks that end in a node, the longer the less."""

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
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def katz_centrality(
    net_or_graph: Network | Graph,
    *,
    alpha: float = 0.1,
    beta: ArrayLike = 1.0,
    normalized: bool = True,
    sign: Sign | None = None,
    edges: Edges = "all",
    tol: float = 1e-12,
    max_iter: int = 1000,
    show_progress: bool = True,
) -> Values | Split[Values]:
    """Return the Katz centrality of every node.

    How much arrives at a node along all walks, each step counting `alpha` times its weight: large
    where many strong paths end. What a node has is not shared among its edges, as PageRank's is:
    each hands on all of it.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    alpha : float, default 0.1
        What a walk is worth an edge. Any value for a feed-forward network; with loops it must
        be below one over their `spectral_radius`.
    beta : float or array-like of shape (n_nodes,), default 1.0
        What each node has by itself, and sends along.
    normalized : bool, default True
        Whether the result has Euclidean length one.
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
        In node order. A `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If there is no node, or a value is beyond what a float holds.
    ConvergenceError
        If walks round a loop grow: `alpha` is too large.

    Notes
    -----
    It follows edges into a node, as networkx's does (``katz_centrality_numpy``):

        x = (I − α Aᵀ)⁻¹ β

    A feed-forward network has no walk longer than it is deep, so the sum is finite for any
    alpha and exact in a single sweep: one product with each block, O(n_edges) multiplications
    and O(n_nodes) memory.

    References
    ----------
    .. [1] Katz, "A new status index derived from sociometric analysis", Psychometrika 18, 1953.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> katz = katz_centrality(net, sign="absolute")
    >>> [float(values.mean().round(3)) for values in net.split(katz).values()]
    [0.186, 0.225, 0.266, 0.225]
    """
    own = np.asarray(beta, dtype=np.float64)
    n = net_or_graph.n_nodes
    if not n:
        raise UndefinedMeasureError("Katz centrality is one value per node; there is no node")
    if own.shape not in ((), (n,)) or not np.isfinite(own).all() or not np.isfinite(alpha):
        raise CntGraphError(
            f"expected a finite alpha and a finite beta, a number or one a node, ({n},); "
            f"got alpha={alpha} and a beta of shape {own.shape}"
        )

    def measure(transform: Transform) -> Values:
        operator = adjacency_operator(
            net_or_graph, transform=transform, edges=edges, magnitude=True
        )
        start = np.broadcast_to(own, (n,)).copy()
        with np.errstate(over="ignore", invalid="ignore"):
            found = walk_sums(
                operator, start, alpha, tol=tol, max_iter=max_iter, noun="Katz centrality",
                advice="alpha must be below 1 / cntgraph.spectral_radius(…) of the magnitudes",
                show_progress=show_progress,
            )  # fmt: skip
        if not np.isfinite(found).all():
            raise UndefinedMeasureError(
                f"walks are worth more than a float holds with alpha={alpha}; choose a smaller one"
            )
        return _normalized(found) if normalized else found

    return by_sign(net_or_graph, sign, measure, edges=edges, noun="Katz centrality")


def _normalized(values: Values) -> Values:
    """Divide by the length, with the sign at which the values add up to more than nothing."""
    values /= np.abs(values).max() or 1.0  # so that no square is beyond what a float holds
    length = float(np.linalg.norm(values)) or 1.0
    values /= -length if values.sum() < 0 else length
    return values
