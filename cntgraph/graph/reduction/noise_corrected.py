"""The noise-corrected backbone: edges that weigh more than their two ends would make expect."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.graph.reduction.signed_part import signed_part
from cntgraph.graph.reduction.top_edges import edge_groups
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.network.blocks.transform import Transform

Within = Literal["graph", "block"]


@takes(Graph)
def noise_corrected_backbone(
    graph: Graph,
    delta: float = 1.64,
    *,
    sign: Sign | None = None,
    unit: float = 1.0,
    within: Within = "graph",
) -> Reduced | Split[Reduced]:
    """Keep the edges heavier than expected from both their ends (Coscia & Neffke 2017).

    Parameters
    ----------
    graph : Graph
    delta : float, default 1.64
        By how many standard deviations the lift of an edge has to exceed zero: 1.28, 1.64 and
        2.32 stand for p-values of about 0.1, 0.05 and 0.01.
    sign : {"absolute", "positive", "negative", "split"}, optional
        Which weights, by |w|; see `cntgraph.graph.signs`. The kept edges have their own sign.
    unit : float, default 1.0
        The weight that counts as one event. The model is of counts: with a smaller unit the same
        weights are stronger evidence, and more edges stay.
    within : {"graph", "block"}, default "graph"
        Of what the sums are: of all edges, as in the paper, or of each block by itself. In a
        layered network most pairs of nodes cannot be connected, which makes all those that are
        look strong; within a block they are compared with each other.

    Returns
    -------
    Reduced, or a Split of two for ``sign="split"``
        All nodes stay.

    Raises
    ------
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If all weights together are two units or less: the prior would be no distribution.
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    With n_ij = |w_ij|/unit, row sums n_i., column sums n_.j and the total n_.., the lift
    κ n_ij, κ = n_../(n_i. n_.j), compares an edge with its expectation, and

        L_ij = (κ n_ij − 1)/(κ n_ij + 1)

    lies between −1 and 1. n_ij is binomial with a probability that has a beta prior, whose mean
    μ = n_i. n_.j/n_..² and variance n_i. n_.j (n_.. − n_i.)(n_.. − n_.j)/(n_..⁴ (n_.. − 1)) are
    those of the hypergeometric distribution. With the posterior mean p,

        V[L_ij] = n_.. p (1 − p) (2 (κ + n_ij dκ/dn_ij)/(κ n_ij + 1)²)²,
        dκ/dn_ij = 1/(n_i. n_.j) − n_.. (n_i. + n_.j)/(n_i. n_.j)²

    and an edge stays where L_ij > δ √V[L_ij]. The β of the prior is the one that has this mean
    and variance, (1 − μ) α/μ; the authors' published code has 1 − μ² where (1 − μ)² follows,
    which changes p by a share of about μ. An edge of weight zero never stays; parallel edges and
    loops are edges of their own. O(n_edges).

    References
    ----------
    .. [1] Coscia, Neffke, "Network Backboning with Noisy Data", ICDE 2017, arXiv:1701.07336.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> noise_corrected_backbone(graph, sign="absolute", unit=0.1, within="block")
    <Reduced: 19 of 88 edges (21.6 %), 36.6 % of Σ|w|>
    """
    if not delta >= 0:
        raise CntGraphError(f"expected delta of 0 or more, got {delta!r}")
    if not 0 < unit < np.inf:
        raise CntGraphError(f"expected a unit above 0, got {unit!r}")
    if within not in ("graph", "block"):
        raise CntGraphError(f"expected within to be 'graph' or 'block', got {within!r}")

    def backbone(transform: Transform) -> Reduced:
        part = signed_part(graph, transform)
        score, deviation = edge_lifts(part, unit, within)
        return reduced(graph, part.keep_edges(score > delta * deviation))

    return by_sign(graph, sign, backbone, noun="the noise-corrected backbone")


def edge_lifts(graph: Graph, unit: float = 1.0, within: Within = "graph") -> tuple[Values, Values]:
    """Return L_ij of every edge and its standard deviation, by |w|.

    Parameters
    ----------
    graph : Graph
    unit, within
        As in `noise_corrected_backbone`.

    Returns
    -------
    tuple of two ndarrays of float64, shape (n_edges,)
        In the order of ``adjacency.data``.
    """
    from cntgraph.core.kernels.backbones import noise_corrected_scores

    edges = graph.edge_arrays(parallel="keep")
    indptr, order = edge_groups(graph, within)
    score, deviation = np.empty((2, graph.n_edges))
    totals = noise_corrected_scores(
        indptr, order, edges.source, edges.target, graph.adjacency.data, unit, graph.n_nodes,
        score, deviation,
    )  # fmt: skip
    small = np.flatnonzero((totals > 0) & (totals <= 2))
    if small.size:
        where = "the graph" if within == "graph" else f"block {graph.block_names[small[0]]!r}"
        raise UndefinedMeasureError(
            "the noise-corrected backbone reads weights as counts, and needs more than two; in "
            f"{where} all together are {totals[small[0]]:.3g}. Pass unit=, the weight that counts "
            "as one (the mean of |w|, say)"
        )
    return score, deviation
