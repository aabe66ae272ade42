"""NodeSums: what the edges of every node sum up to, coming in and going out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.each_block import each_block
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import LayerSums

#: Held at once for a node: both sums, their total, the sums of a block.
BYTES_PER_NODE = 48


class NodeSums(NamedTuple):
    """Sums over the edges that end in every node and that begin there; float64, (n_nodes,)."""

    incoming: Values
    outgoing: Values


def layer_sums(
    blocks: Sequence[Block], layers: Sequence[Layer], transforms: tuple[Transform, ...]
) -> dict[Transform, LayerSums]:
    """Return the sums over the edges of blocks, whose weights are read once."""
    found = {transform: LayerSums(layers) for transform in transforms}
    of_each = each_block(lambda block: block.class_sums(transforms).sums, blocks)
    for block, sums in zip(blocks, of_each, strict=True):
        for transform, sides in sums.items():
            found[transform].add_sides(block.source, block.target, sides)
    return found


def node_sums(found: dict[Transform, LayerSums]) -> dict[Transform, NodeSums]:
    """Return the sums of every node, transform by transform."""
    n_nodes = max((sums.n_nodes for sums in found.values()), default=0)
    check_memory(len(found) * BYTES_PER_NODE * n_nodes, f"measuring {n_nodes:,} nodes")
    return {t: NodeSums(sums.values("in"), sums.values("out")) for t, sums in found.items()}
