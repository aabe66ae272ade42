"""Participation ratio: how many of a node's weights matter, and how localized they are."""

from __future__ import annotations

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.local.ratio import ratio
from cntgraph.measures.local.relative_sums import relative_sums
from cntgraph.measures.strength import check_direction, select_direction
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def participation_ratio(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "in",
    edges: Edges = "parametric",
) -> Values:
    """Return the effective number of weights of every node.

    How many of its k edges carry weight: k where all are of one size, 1 where one is all. Small
    where a node listens to, or speaks to, few of those that it could.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured in closed form on its blocks, without unrolling it; a graph by
        its adjacency.
    direction : {"in", "out", "total"}, default "in"
        Over incoming edges (a neuron's receptive field), outgoing ones, or both together.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Between 1 (one weight has all) and the degree (all of one size); NaN for a node without
        edges, or with edges of weight zero only.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    Over the weights w of node i's edges,

        PR_i = (Σ w²)² / Σ w⁴

    Even powers need no sign policy. Both sums are closed forms, from one pass over the
    parameters and one write per node. The powers are taken in float64. Where weights are so
    small or large that their powers are not, they are divided by a power of two first.

    References
    ----------
    .. [1] R. J. Bell, P. Dean, "Atomic vibrations in vitreous silica", Discussions of the Faraday
       Society 50, 1970.

    See Also
    --------
    inverse_participation_ratio : The reciprocal.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.participation_ratio import participation_ratio
    >>> net = cg.toy("mlp")
    >>> net.split(participation_ratio(net))["fc2"].round(2)
    array([3.98, 3.1 , 4.3 , 4.6 ])
    """
    square, fourth = _powers(net_or_graph, direction, edges)
    return ratio(square**2, fourth)


@takes(Network, Graph)
def inverse_participation_ratio(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "in",
    edges: Edges = "parametric",
) -> Values:
    """Return how localized every node's weights are: 1/k for k of one size, 1 for a single one.

    Large where a node looks at few inputs, as a receptive field does that has become local; small
    where it looks at all alike.

    Parameters
    ----------
    net_or_graph, direction, edges
        As in `participation_ratio`.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        NaN for a node without edges, or with edges of weight zero only.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    IPR_i = Σ w⁴ / (Σ w²)², over the weights w of node i's edges; see `participation_ratio`.

    References
    ----------
    .. [1] Ingrosso, Goldt, "Data-driven emergence of convolutional structure in neural
       networks", PNAS 119 (40), 2022, arXiv:2202.00565: the localization of receptive fields.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.participation_ratio import inverse_participation_ratio
    >>> net = cg.toy("mlp")
    >>> net.split(inverse_participation_ratio(net))["fc2"].round(3)
    array([0.252, 0.323, 0.233, 0.217])
    """
    square, fourth = _powers(net_or_graph, direction, edges)
    return ratio(fourth, square**2)


@np.errstate(over="ignore")
def _powers(
    net_or_graph: Network | Graph, direction: Direction, edges: Edges
) -> tuple[Values, Values]:
    check_direction(direction)
    sums = relative_sums(net_or_graph, "square", "fourth", edges=edges)
    return (
        select_direction(sums["square"], direction),
        select_direction(sums["fourth"], direction),
    )
