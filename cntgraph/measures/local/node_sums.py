"""Sums over the edges of every node, and the ratios of them that local measures are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import BYTES_A_NODE, Strengths, node_strengths
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.network import Edges, Network


def node_sums(
    net_or_graph: Network | Graph, transforms: tuple[Transform, ...], *, edges: Edges
) -> dict[Transform, Strengths]:
    """Return, for several transforms at once, the sums over every node's edges.

    Parameters
    ----------
    net_or_graph : Network or Graph
        The weights of a network are read once, whatever the number of transforms.
    transforms : tuple of str
        What is summed.
    edges : {"parametric", "all"}
        Which edges count. Biases do not: they are no edges.

    Returns
    -------
    dict of str to Strengths

    Examples
    --------
    >>> import cntgraph as cg
    >>> sums = node_sums(cg.toy("mlp"), ("count", "fourth"), edges="all")
    >>> sums["count"].incoming.astype(int)
    array([0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 8, 8, 8, 8, 4, 4])
    """
    if isinstance(net_or_graph, Graph):
        return {
            t: node_strengths(net_or_graph, transform=t, edges=edges, bias=False)
            for t in transforms
        }
    n, blocks = net_or_graph.n_nodes, net_or_graph.select_blocks(edges)
    check_memory(len(transforms) * BYTES_A_NODE * n, f"measuring {n:,} nodes")
    found: dict[Transform, Strengths] = {t: Strengths(np.zeros(n), np.zeros(n)) for t in transforms}
    for block in blocks:
        for transform, sums in block.sums(*transforms).items():
            block.source.scatter_add(found[transform].outgoing, sums.row)
            block.target.scatter_add(found[transform].incoming, sums.column)
    return found


def one_sign(net_or_graph: Network | Graph, transform: Transform) -> Network | Graph:
    """Return the same nodes and edges, with weights of one sign only.

    Sums of squares of the positive weights are no transform of their own: they are the squares
    of weights none of which is negative.

    Parameters
    ----------
    net_or_graph : Network or Graph
    transform : {"absolute", "positive", "negative"}
        ``"absolute"`` leaves all as it is; ``"positive"`` makes negative weights zero,
        ``"negative"`` positive ones.

    Returns
    -------
    Network or Graph

    Examples
    --------
    >>> import cntgraph as cg
    >>> positive = one_sign(cg.toy("mlp"), "positive")
    >>> bool((cg.build_graph(positive).adjacency.data >= 0).all()), positive.n_edges
    (True, 88)
    """
    if transform == "absolute":
        return net_or_graph
    if isinstance(net_or_graph, Graph):
        return net_or_graph.with_weights(apply_transform(net_or_graph.adjacency.data, transform))
    found = (_one_sign(block, transform) for block in net_or_graph.blocks)
    return replace(net_or_graph, blocks=tuple(block for block in found if block is not None))


def _one_sign(block: Block, transform: Transform) -> Block | None:
    if block.weight is not None:
        magnitude = abs(block.weight)
        both = block.weight + magnitude if transform == "positive" else block.weight - magnitude
        return replace(block, weight=both * 0.5)
    # Weights that follow from the geometry (poolings, identities) are not negative.
    if (block.sums("negative")["negative"].column < 0).any():
        raise CntGraphError(
            f"block {block.name!r}: the kind {block.kind!r} has negative weights that are no "
            "recipe, which cannot be parted by sign; measure its explicit graph"
        )
    return block if transform == "positive" else None


def ratio(numerator: Values, denominator: Values) -> Values:
    """Return a / b, and NaN where b is zero: the nodes that the measure is not defined for.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    found = np.full(numerator.shape, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite sums
        np.divide(numerator, denominator, out=found, where=denominator != 0)
    return found
