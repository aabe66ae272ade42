"""NodeSums: what the edges of every node sum up to, coming in and going out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.transform import Transform

#: Held at once for a node: both sums, their total, the sums of a block.
BYTES_PER_NODE = 48


class NodeSums(NamedTuple):
    """Sums over the edges that end in every node and that begin there; float64, (n_nodes,)."""

    incoming: Values
    outgoing: Values


def block_sums(
    blocks: Sequence[Block], n_nodes: int, transforms: Sequence[Transform]
) -> dict[Transform, NodeSums]:
    """Return the sums over the edges of blocks, whose weights are read once."""
    n_bytes = len(transforms) * BYTES_PER_NODE * n_nodes
    check_memory(n_bytes, f"measuring {n_nodes:,} nodes")
    found: dict[Transform, NodeSums] = {
        transform: NodeSums(np.zeros(n_nodes), np.zeros(n_nodes)) for transform in transforms
    }
    for block in blocks:
        for transform, sums in block.sums(*transforms).items():
            block.source.scatter_add(found[transform].outgoing, sums.row)
            block.target.scatter_add(found[transform].incoming, sums.column)
    return found
