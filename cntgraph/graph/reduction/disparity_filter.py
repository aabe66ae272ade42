"""The disparity filter: edges that carry more of a node's strength than chance would give them."""

from __future__ import annotations

from typing import get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.graph.reduction.signed_part import signed_part
from cntgraph.graph.reduction.top_edges import Ends
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.network.blocks.transform import Transform


@takes(Graph)
def disparity_filter(
    graph: Graph, alpha: float = 0.05, *, sign: Sign | None = None, within: Ends = "either"
) -> Reduced | Split[Reduced]:
    """Keep the edges that are significant for a node's strength (Serrano et al. 2009).

    Parameters
    ----------
    graph : Graph
    alpha : float, default 0.05
        Level of significance, from 0 to 1.
    sign : {"absolute", "positive", "negative", "split"}, optional
        Which weights, by |w|; see `cntgraph.graph.signs`. The kept edges have their own sign.
    within : {"either", "source", "target", "both"}, default "either"
        For which end an edge has to be significant: for one of them (the paper's rule), for its
        source among the edges that leave it, for its target among those that come in, for both.

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
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    Under the null model a node's strength s is cut into its k edges at random, uniformly. The
    probability that an edge gets |w| or more is

        α_ij = 1 − (k − 1) ∫₀^p (1 − x)^(k−2) dx = (1 − p)^(k−1),  p = |w|/s

    once with strength and degree of the source (outgoing) and once with those of the target
    (incoming); an edge stays where α_ij < `alpha`. A node with one edge says nothing about it
    (α_ij = 1), so that the other end decides. An edge of weight zero counts in k and is never
    significant; parallel edges count one by one. O(n_edges).

    References
    ----------
    .. [1] Serrano, Boguñá, Vespignani, "Extracting the multiscale backbone of complex weighted
       networks", PNAS 106 (2009) 6483, equation 2.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> disparity_filter(graph, 0.1, sign="absolute")
    <Reduced: 7 of 88 edges (7.95 %), 17.3 % of Σ|w|>
    >>> disparity_filter(graph)
    Traceback (most recent call last):
    cntgraph.core.errors.SignedWeightError: the disparity filter is defined for weights that ...
    """
    if not 0 <= alpha <= 1:
        raise CntGraphError(f"expected alpha between 0 and 1, got {alpha!r}")
    if within not in get_args(Ends):
        choices = ", ".join(map(repr, get_args(Ends)))
        raise CntGraphError(f"expected within to be one of {choices}; got {within!r}")

    def filtered(transform: Transform) -> Reduced:
        part = signed_part(graph, transform)
        return reduced(graph, part.keep_edges(edge_p_values(part, within) < alpha))

    return by_sign(graph, sign, filtered, noun="the disparity filter")


def edge_p_values(graph: Graph, within: Ends = "either") -> Values:
    """Return α_ij of every edge, by |w|.

    Parameters
    ----------
    graph : Graph
    within : {"either", "source", "target", "both"}, default "either"
        The smaller or the larger of the two for ``"either"`` and ``"both"``.

    Returns
    -------
    ndarray of float64, shape (n_edges,)
        In the order of ``adjacency.data``.
    """
    from cntgraph.core.kernels.backbones import add_edges_up, disparity_p_values

    matrix = graph.adjacency
    arrays = (matrix.indptr, matrix.indices, matrix.data)
    strengths, degrees = np.zeros((2, graph.n_nodes)), np.zeros((2, graph.n_nodes), np.int64)
    add_edges_up(*arrays, strengths, degrees)
    at_source, at_target = np.empty(graph.n_edges), np.empty(graph.n_edges)
    disparity_p_values(*arrays, strengths, degrees, at_source, at_target)
    if within in ("source", "target"):
        return at_source if within == "source" else at_target
    combine = np.minimum if within == "either" else np.maximum
    return combine(at_source, at_target, out=at_source)
