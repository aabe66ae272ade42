"""Average neighbour strength: how strong the nodes are that a node is connected to."""

from __future__ import annotations

from typing import get_args

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.local.node_sums import node_sums, ratio
from cntgraph.measures.strength import (
    Direction,
    Strengths,
    node_strength,
    select_direction,
)
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.network import Edges, Network


def average_neighbour_strength(
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
    """Return the mean strength of the neighbours of every node.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured by products with its blocks, without unrolling it; a graph by its
        adjacency.
    source : {"total", "in", "out"}, default "total"
        Which neighbours: those that edges go to (``"out"``), come from (``"in"``), or both.
    target : {"total", "in", "out"}, default "total"
        Which strength of theirs.
    transform : str, default "signed"
        What their strength sums, as in `node_strength`; ``"count"`` is their degree.
    weighted : bool, default False
        Whether a neighbour counts by the magnitude of the edge that leads to it.
    sign : {"absolute", "positive", "negative", "split"}, optional
        For ``weighted=True``: which edges' magnitudes a neighbour counts by; needed where
        there are negative ones.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.
    bias : bool, default True
        Whether a neighbour's bias is part of its strength.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        NaN for a node without such neighbours (networkx has 0), or, if weighted, whose edges
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

    over the edges to the neighbours j: a neighbour by two parallel edges counts twice, a node
    with an edge to itself is its own neighbour. One pass over the parameters for strengths and
    one product with every block. With ``transform="count"`` these are networkx's
    ``average_neighbor_degree`` without and with weights.

    References
    ----------
    .. [1] Barrat, Barthélemy, Pastor-Satorras, Vespignani, "The architecture of complex weighted
       networks", PNAS 101 (11), 2004: their weighted average nearest-neighbours degree is
       the weighted one here with ``transform="count"``.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.neighbour_strength import average_neighbour_strength
    >>> net = cg.toy("mlp")
    >>> net.split(average_neighbour_strength(net, transform="count"))["fc1"]
    array([8.8, 8.8, 8.8, 8.8, 8.8, 8.8, 8.8, 8.8])
    """
    for name, value in (("source", source), ("target", target)):
        if value not in get_args(Direction):
            raise CntGraphError(f"expected {name} to be 'total', 'in' or 'out'; got {value!r}")
    strength = node_strength(
        net_or_graph, direction=target, transform=transform, edges=edges, bias=bias
    )

    def measure(taken: Transform) -> Values:
        reached = select_direction(_products(net_or_graph, strength, taken, edges), source)
        counted = node_sums(net_or_graph, (taken,), edges=edges)[taken]
        return ratio(reached, select_direction(counted, source))

    if not weighted:
        return measure("count")
    noun = "the weighted average neighbour strength"
    return by_sign(net_or_graph, sign, measure, edges=edges, noun=noun)


def _products(
    net_or_graph: Network | Graph, values: Values, transform: Transform, edges: Edges
) -> Strengths:
    """Return what every node receives of its in-neighbours' values, and of its out-neighbours'."""
    if isinstance(net_or_graph, Graph):
        return _graph_products(net_or_graph, values, transform, edges)
    incoming, outgoing = np.zeros(net_or_graph.n_nodes), np.zeros(net_or_graph.n_nodes)
    for block in net_or_graph.select_blocks(edges):
        from_sources = block.rmatvec(block.source.gather(values), transform)
        from_targets = block.matvec(block.target.gather(values), transform)
        block.target.scatter_add(incoming, from_sources)
        block.source.scatter_add(outgoing, from_targets)
    return Strengths(incoming, outgoing)


def _graph_products(graph: Graph, values: Values, transform: Transform, edges: Edges) -> Strengths:
    old = graph.adjacency
    weights = apply_transform(old.data, transform)
    if edges == "parametric":
        weights = np.where(graph.parametric[graph.edge_block], weights, 0.0)
    matrix = csr_of(weights, old.indices, old.indptr, old.shape)
    return Strengths(matrix.T @ values, matrix @ values)
