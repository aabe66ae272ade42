"""Nodes Strength: the sum of the weights of a node's edges."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.transform import Transform, apply_transform, check_transform
from cntgraph.network.network import Edges, Network

#: Held at once to measure a node: in- and out-strength, their total, the sums of a block.
BYTES_A_NODE = 48

Direction = Literal["total", "in", "out"]


class Strengths(NamedTuple):
    """In- and out-strength of every node, float64 of shape (n_nodes,); their sum is the total."""

    incoming: Values
    outgoing: Values


def node_strength(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "total",
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> Values:
    """Return the strength of every node.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured in closed form on its blocks, without unrolling it; a graph by
        its adjacency. Both give the same numbers, up to rounding.
    direction : {"total", "in", "out"}, default "total"
        ``"in"`` sums incoming edges, ``"out"`` outgoing ones, ``"total"`` both.
    transform : str, default "signed"
        What is summed: the weight w (signed), |w| (absolute), its positive or negative part,
        w² (square), w⁴ (fourth), or 1 (count: the degree).
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.
    bias : bool, default True
        Whether a node's bias, transformed alike, is added to its in-strength; a bias is no
        edge, so ``transform="count"`` leaves it out.
    boundary : float, default 0.0
        Weight of a virtual edge into each node of the input layers and out of each node of
        the output layers; 1.0 is what the papers' published code does.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        In node order; ``net.split`` cuts it into layers.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    For node k with in-neighbours i and out-neighbours j,

        s_k = Σᵢ w_ik + b_k + Σⱼ w_kj

    signed and not normalised. In closed form the cost is one pass over the parameters and one
    write a node.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> strength = cg.node_strength(net)
    >>> bool(np.allclose(strength, cg.node_strength(cg.build_graph(net))))
    True
    """
    check_direction(direction)
    found = node_strengths(
        net_or_graph, transform=transform, edges=edges, bias=bias, boundary=boundary
    )
    return select_direction(found, direction)


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def node_strengths(
    net_or_graph: Network | Graph,
    *,
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> Strengths:
    """Return in- and out-strength of every node, from one pass over the weights.

    Parameters
    ----------
    net_or_graph, transform, edges, bias, boundary
        As in `node_strength`.

    Returns
    -------
    Strengths

    Examples
    --------
    >>> import cntgraph as cg
    >>> s = node_strengths(cg.toy("mlp"), bias=False)
    >>> bool(np.isclose(s.incoming.sum(), s.outgoing.sum()))
    True
    """
    check_transform(transform)
    if isinstance(net_or_graph, Graph):
        incoming, outgoing = _graph_sums(net_or_graph, transform, edges)
    else:
        incoming, outgoing = _network_sums(net_or_graph, transform, edges)
    if bias and transform != "count":
        incoming += apply_transform(node_bias(net_or_graph, edges), transform)
    add_boundary(net_or_graph, incoming, outgoing, boundary)
    return Strengths(incoming, outgoing)


def node_bias(net_or_graph: Network | Graph, edges: Edges) -> Values:
    """Return the bias of every node that the blocks of the chosen edges bring.

    Parameters
    ----------
    net_or_graph : Network or Graph
    edges : {"parametric", "all"}

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
    """
    if isinstance(net_or_graph, Network):
        return net_or_graph.bias(edges)
    return net_or_graph.bias if edges == "all" else net_or_graph.parametric_bias


def add_boundary(
    net_or_graph: Network | Graph, incoming: Values, outgoing: Values, boundary: float
) -> None:
    """Add the virtual edges of input and output layers in place.

    Parameters
    ----------
    net_or_graph : Network or Graph
    incoming, outgoing : ndarray of float64, shape (n_nodes,)
    boundary : float
    """
    for layer in net_or_graph.layers:
        if layer.is_input:
            incoming[layer.slice] += boundary
        if layer.is_output:
            outgoing[layer.slice] += boundary


def check_direction(direction: str) -> None:
    """Raise if `direction` is not one that strengths have.

    Raises
    ------
    CntGraphError
    """
    if direction not in get_args(Direction):
        raise CntGraphError(f"expected direction to be 'total', 'in' or 'out', got {direction!r}")


def select_direction(strengths: Strengths, direction: Direction) -> Values:
    """Return the strength in one direction, or the total."""
    if direction == "in":
        return strengths.incoming
    if direction == "out":
        return strengths.outgoing
    with np.errstate(invalid="ignore", over="ignore"):  # infinities that cancel are NaN
        return strengths.incoming + strengths.outgoing


def _network_sums(net: Network, transform: Transform, edges: Edges) -> tuple[Values, Values]:
    check_memory(BYTES_A_NODE * net.n_nodes, f"measuring {net.n_nodes:,} nodes")
    incoming, outgoing = np.zeros(net.n_nodes), np.zeros(net.n_nodes)
    for block in net.select_blocks(edges):
        sums = block.sums(transform)[transform]
        block.source.scatter_add(outgoing, sums.row)
        block.target.scatter_add(incoming, sums.column)
    return incoming, outgoing


def _graph_sums(graph: Graph, transform: Transform, edges: Edges) -> tuple[Values, Values]:
    """Sum the rows and columns of the CSR in one pass, in parts of rows on all cores."""
    from cntgraph.core.kernels.csr import row_column_sums

    if edges not in ("all", "parametric"):
        raise CntGraphError(f"expected edges to be 'parametric' or 'all', got {edges!r}")
    matrix, n = graph.adjacency, graph.n_nodes
    incoming, outgoing = np.zeros(n), np.zeros(n)
    # As many parts as the edges need, not as there are cores: the same bits on every machine.
    n_parts = min(max(graph.n_edges // _PART, 1), 16)
    cuts = np.searchsorted(matrix.indptr, np.linspace(0, graph.n_edges, n_parts + 1)[1:-1])
    rows = np.unique(np.concatenate([[0], cuts, [n]]))

    def work(part: tuple[int, int]) -> Values:
        columns = np.zeros(n)
        here = slice(*matrix.indptr[list(part)])
        indptr = matrix.indptr[part[0] : part[1] + 1] - here.start
        values = _edge_values(graph, here, transform, edges)
        row_column_sums(indptr, matrix.indices[here], values, outgoing[slice(*part)], columns)
        return columns

    parts = list(zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True))
    for columns in ordered_map(work, parts, threads=1 if len(parts) == 1 else None):
        incoming += columns
    return incoming, outgoing


#: Edges of one part: enough to be worth a thread and an array of column sums.
_PART = 1_000_000


def _edge_values(graph: Graph, here: slice, transform: Transform, edges: Edges) -> NDArray[Any]:
    """Return f(weight) of a run of edges, 0 for those that do not count."""
    values: NDArray[Any] = graph.adjacency.data[here]
    if transform != "signed":
        values = apply_transform(values, transform)
    if edges == "parametric" and not graph.parametric.all():
        values = np.where(graph.parametric[graph.edge_block[here]], values, 0)
    return values
