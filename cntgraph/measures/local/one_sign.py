"""one_sign: the same nodes and edges, with the positive weights or the negative ones only."""

from __future__ import annotations

from dataclasses import replace

from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.network import Network


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
