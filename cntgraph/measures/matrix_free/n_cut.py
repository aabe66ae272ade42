"""n-cut: how little of the weight of a partition's clusters leads out of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.matrix_free.operator import AdjacencyOperator, adjacency_operator
from cntgraph.measures.strength import node_strengths
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def n_cut(
    net_or_graph: Network | Graph,
    partition: ArrayLike,
    *,
    sign: Sign | None = None,
    edges: Edges = "all",
    show_progress: bool = True,
) -> float | Split[float]:
    """Return the normalized cut of a partition of the nodes.

    0 where no weight leads out of the parts, their number where all of it does.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    partition : array-like of int, shape (n_nodes,)
        The cluster of every node, any integers.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What is taken of negative weights.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    show_progress : bool, default True

    Returns
    -------
    float
        From 0 (no edge leads out of its cluster) to the number of clusters (every edge does).
        A `Split` of two for ``sign="split"``.

    Raises
    ------
    CntGraphError
        If there is not one integer per node.
    UndefinedMeasureError
        If the edges of a cluster weigh nothing.
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.

    Notes
    -----
    Directions are left out: with W = A + Aᵀ,

        n-cut = Σ_c cut(c) / vol(c),   vol(c) = Σ_{i∈c} Σⱼ W_ij,   cut(c) = Σ_{i∈c} Σ_{j∉c} W_ij

    vol is the sum of strengths, cut(c) = vol(c) − 2 · 1_cᵀ A 1_c: one product with the blocks a
    cluster, none of which is unrolled. Filan et al. measure |w| (``sign="absolute"``) of the
    parametric edges.

    References
    ----------
    .. [1] Shi and Malik, "Normalized cuts and image segmentation", IEEE TPAMI 22(8), 2000,
       equation 2.
    .. [2] Filan, Casper, Hod, Wild, Critch, Russell, "Clusterability in neural networks", 2021,
       arXiv:2103.03386.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> round(n_cut(net, np.arange(net.n_nodes) % 2, sign="absolute"), 3)
    0.901
    """
    labels = np.asarray(partition)
    n = net_or_graph.n_nodes
    if labels.shape != (n,) or labels.dtype.kind not in "iub":
        raise CntGraphError(
            f"expected a partition of one integer per node, ({n},); "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if not n:
        raise UndefinedMeasureError("the n-cut is not defined without nodes")
    names, cluster = np.unique(labels, return_inverse=True)

    def measure(transform: Transform) -> float:
        sums = node_strengths(net_or_graph, transform=transform, edges=edges, bias=False)
        strength = np.abs(sums.incoming + sums.outgoing)
        volumes: Values = np.bincount(cluster, strength, len(names)).astype(np.float64)
        if not volumes.all():
            raise UndefinedMeasureError(
                f"the n-cut divides by what the edges of a cluster weigh, and those of "
                f"{names[volumes == 0][0]} weigh nothing; join it with another cluster"
            )
        operator = adjacency_operator(
            net_or_graph, transform=transform, edges=edges, magnitude=True
        )
        return _n_cut(operator, cluster, volumes, show_progress)

    return by_sign(net_or_graph, sign, measure, edges=edges, noun="n-cut")


def _n_cut(
    operator: AdjacencyOperator,
    cluster: NDArray[np.int64],
    volumes: Values,
    show_progress: bool,
) -> float:
    total = 0.0
    for c in progress(range(len(volumes)), "n-cut", show=show_progress):
        members = (cluster == c).astype(np.float64)
        within = 2.0 * float(members @ operator.rmatvec(members))
        total += max(volumes[c] - within, 0.0) / volumes[c]
    return float(total)
