"""Nodes Strength: the sum of the weights of a node's edges."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.computing import computing_on
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.class_values import ClassValues
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.layer_sums import Direction, LayerSums
from cntgraph.network.network import Edges, Network
from cntgraph.network.node_sums import NodeSums, node_sums


@takes(Network, Graph)
def node_strength(
    net_or_graph: Network | Graph,
    *,
    direction: Direction = "total",
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
    client: Any = None,
) -> Values:
    """Return the strength of every node.

    How strongly a node is tied to others: far from 0 where its weights are large and of one sign;
    about 0 where they are small, or cancel.

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
    client : {None, "threads", "processes"}, str or dask.distributed.Client, optional
        Where large weights of a network are read, a part at a time (see `computing_on`).

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
    For node k with in-neighbors i and out-neighbors j,

        s_k = Σᵢ w_ik + b_k + Σⱼ w_kj

    signed and not normalized. In closed form the cost is one pass over the parameters and one
    write per node.

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
    with computing_on(client):
        found = layer_strengths(
            net_or_graph, transform=transform, edges=edges, bias=bias, boundary=boundary
        )
    return found.values(direction)


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def layer_strengths(
    net_or_graph: Network | Graph,
    *,
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> LayerSums:
    """Return in- and out-strength of every layer's nodes, those of alike nodes held once.

    Parameters
    ----------
    net_or_graph, transform, edges, bias, boundary
        As in `node_strength`.

    Returns
    -------
    LayerSums

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = layer_strengths(cg.toy("cnn")).of_layer(1, "in")
    >>> found.size, found.table.size
    (72, 18)
    """
    if isinstance(net_or_graph, Network):
        found = net_or_graph.layer_sums(transform, edges=edges)[transform]
    else:
        sums = net_or_graph.node_sums(transform, edges=edges)[transform]
        found = LayerSums.of_nodes(net_or_graph.layers, sums.incoming, sums.outgoing)
    if bias and transform != "count":
        biases = layer_biases(net_or_graph, edges)
        found.add_all(biases, "in", partial(apply_transform, transform=transform))
    add_boundary(found, boundary)
    return found


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def node_strengths(
    net_or_graph: Network | Graph,
    *,
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> NodeSums:
    """Return in- and out-strength of every node, from one pass over the weights.

    Parameters
    ----------
    net_or_graph, transform, edges, bias, boundary
        As in `node_strength`.

    Returns
    -------
    NodeSums

    Examples
    --------
    >>> import cntgraph as cg
    >>> s = node_strengths(cg.toy("mlp"), bias=False)
    >>> bool(np.isclose(s.incoming.sum(), s.outgoing.sum()))
    True
    """
    found = layer_strengths(
        net_or_graph, transform=transform, edges=edges, bias=bias, boundary=boundary
    )
    return node_sums({transform: found})[transform]


def layer_biases(net_or_graph: Network | Graph, edges: Edges) -> LayerSums:
    """Return what `node_bias` does, layer by layer, coming in."""
    if isinstance(net_or_graph, Network):
        return net_or_graph.biases(edges)
    return LayerSums.of_nodes(net_or_graph.layers, node_bias(net_or_graph, edges), None)


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


def add_boundary(sums: LayerSums, boundary: float) -> None:
    """Add the virtual edges of input and output layers.

    Parameters
    ----------
    sums : LayerSums
    boundary : float
        Their weight; nothing is added where it is 0.
    """
    if not boundary:
        return
    for layer in sums.layers:
        nodes = View(layer.shape, layer.start)
        virtual = ClassValues.of_broadcast(np.array(boundary), layer.shape)
        if layer.is_input:
            sums.add("in", nodes, virtual)
        if layer.is_output:
            sums.add("out", nodes, virtual)


def check_direction(direction: str) -> None:
    """Raise if `direction` is not one that strengths have.

    Raises
    ------
    CntGraphError
    """
    if direction not in get_args(Direction):
        raise CntGraphError(f"expected direction to be 'total', 'in' or 'out', got {direction!r}")


def select_direction(strengths: NodeSums, direction: Direction) -> Values:
    """Return the strength in one direction, or the total."""
    if direction == "in":
        return strengths.incoming
    if direction == "out":
        return strengths.outgoing
    with np.errstate(invalid="ignore", over="ignore"):  # infinities that cancel are NaN
        return strengths.incoming + strengths.outgoing
