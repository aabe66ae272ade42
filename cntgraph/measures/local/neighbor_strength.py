"""Average neighbor strength: how strong the nodes are that a node is connected to."""

from __future__ import annotations

from typing import get_args

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.local.ratio import ratio
from cntgraph.measures.matrix_free.operator import adjacency_operator
from cntgraph.measures.strength import node_strength, select_direction
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network
from cntgraph.network.node_sums import NodeSums


@takes(Network, Graph)
def average_neighbor_strength(
    net_or_graph: Network | Graph,
    *,
    source: Direction = "total",
    target: Direction = "total",
    transform: Transform = "signed",
    weighted: bool = False,
    sign: Sign | None = None,
    edges: Edges = "parametric",
    bias: bool = True,
) -> Values | Split[Values]:
    """Return the mean strength of the neighbors of every node.

    Whom a node is tied to: where it grows with the node's own strength, strong nodes are tied to
    strong ones; where it falls, to weak ones.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured by products with its blocks, without unrolling it; a graph by its
        adjacency.
    source : {"total", "in", "out"}, default "total"
        Which neighbors: those that edges go to (``"out"``), come from (``"in"``), or both.
    target : {"total", "in", "out"}, default "total"
        Which strength of theirs.
    transform : str, default "signed"
        What their strength sums, as in `node_strength`; ``"count"`` is their degree.
    weighted : bool, default False
        Whether a neighbor counts by the magnitude of the edge that leads to it.
    sign : {"absolute", "positive", "negative", "split"}, optional
        For ``weighted=True``: which edges' magnitudes a neighbor counts by; needed where
        there are negative ones.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.
    bias : bool, default True
        Whether a neighbor's bias is part of its strength.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        NaN for a node without such neighbors (networkx has 0), or, if weighted, whose edges
        weigh nothing. For ``sign="split"`` a pair of two, ``positive`` and ``negative``.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    SignedWeightError
        If `weighted`, there are negative weights and no `sign`.
    NonFiniteWeightError
        If `weighted` and a weight is NaN or infinite.

    Notes
    -----
    With k_i the degree of node i, s_j the strength of node j and m_ij the magnitudes of edges,

        unweighted: (1/k_i) Σⱼ s_j        weighted: Σⱼ m_ij s_j / Σⱼ m_ij

    over the edges to the neighbors j: a neighbor by two parallel edges counts twice, a node
    with an edge to itself is its own neighbor. One pass over the parameters for strengths and
    one product with every block. With ``transform="count"`` these are networkx's
    ``average_neighbor_degree`` without and with weights.

    References
    ----------
    .. [1] Barrat, Barthélemy, Pastor-Satorras, Vespignani, "The architecture of complex weighted
       networks", PNAS 101 (11), 2004: their weighted average nearest-neighbors degree is
       the weighted one here with ``transform="count"``.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.neighbor_strength import average_neighbor_strength
    >>> net = cg.toy("mlp")
    >>> net.split(average_neighbor_strength(net, transform="count"))["fc1"]
    array([8.8, 8.8, 8.8, 8.8, 8.8, 8.8, 8.8, 8.8])
    """
    for name, value in (("source", source), ("target", target)):
        if value not in get_args(Direction):
            raise CntGraphError(f"expected {name} to be 'total', 'in' or 'out'; got {value!r}")
    strength = node_strength(
        net_or_graph, direction=target, transform=transform, edges=edges, bias=bias
    )

    def measure(taken: Transform) -> Values:
        matrix = adjacency_operator(net_or_graph, transform=taken, edges=edges)
        # What a node receives of its in-neighbors' strengths, and of its out-neighbors'.
        found = NodeSums(matrix.rmatvec(strength), matrix.matvec(strength))
        reached = select_direction(found, source)
        counted = net_or_graph.node_sums(taken, edges=edges)[taken]
        return ratio(reached, select_direction(counted, source))

    if not weighted:
        return measure("count")
    noun = "the weighted average neighbor strength"
    return by_sign(net_or_graph, sign, measure, edges=edges, noun=noun)
