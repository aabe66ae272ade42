"""Disparity: how unevenly a node's strength is spread over its edges."""

from __future__ import annotations

from cntgraph.core.arguments import takes
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.local.one_sign import one_sign
from cntgraph.measures.local.ratio import ratio
from cntgraph.measures.local.relative_sums import relative_sums
from cntgraph.measures.strength import check_direction, select_direction
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def disparity(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "out",
    sign: Sign | None = None,
    edges: Edges = "parametric",
) -> Values | Split[Values]:
    """Return the disparity of every node: 1/k if its k edges weigh the same, 1 if one has all.

    Near 1, one edge has most of a node's weight; near 1/k, none stands out.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured in closed form on its blocks, without unrolling it; a graph by
        its adjacency.
    direction : {"out", "in", "total"}, default "out"
        Over outgoing edges, incoming ones, or both together.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What is taken of negative weights: |w| of all; only one sign, by |w|; or both signs, one
        by one. Needed where there are any.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        NaN for a node without edges, or with edges of weight zero only. For ``sign="split"``
        a pair of two, ``positive`` and ``negative``.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.

    Notes
    -----
    With s_i the sum of the magnitudes of node i's edges,

        Y_i = Σⱼ (w_ij / s_i)² = Σⱼ w_ij² / s_i²

    so that 1/Y_i is the number of edges that matter. Both sums are closed forms: two passes
    over the parameters (three for one sign only), one write per node.

    References
    ----------
    .. [1] Barthélemy, Gondran, Guichard, "Spatial structure of the internet traffic", Physica A
       319, 2003; Barthélemy, Barrat, Pastor-Satorras, Vespignani, "Characterization and modeling
       of weighted networks", Physica A 346, 2005.
    .. [2] Serrano, Boguñá, Vespignani, "Extracting the multiscale backbone of complex weighted
       networks", PNAS 106, 2009.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.disparity import disparity
    >>> net = cg.toy("mlp")
    >>> found = net.split(disparity(net, sign="absolute"))
    >>> found["fc2"].round(3), found["fc3"]
    (array([0.605, 0.506, 0.735, 0.512]), array([nan, nan]))
    """
    check_direction(direction)

    def measure(transform: Transform) -> Values:
        part = one_sign(net_or_graph, transform)
        sums = relative_sums(part, "absolute", "square", edges=edges)
        strength = select_direction(sums["absolute"], direction)
        return ratio(select_direction(sums["square"], direction), strength**2)

    return by_sign(net_or_graph, sign, measure, edges=edges, noun="disparity")
