"""Parts of a network: some of its layers, and the blocks among them, with nodes renumbered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.layer import Layer


def part_of(
    layers: Sequence[Layer], blocks: Sequence[Block], names: Collection[str]
) -> tuple[tuple[Layer, ...], tuple[Block, ...]]:
    """Return some layers and the blocks among them.

    Parameters
    ----------
    layers : sequence of Layer
        All layers of a network.
    blocks : sequence of Block
        Those that may stay.
    names : collection of str
        The layers that stay; their order does not count.

    Returns
    -------
    layers : tuple of Layer
        In the order of the network, one behind the other.
    blocks : tuple of Block
        Those of which all targets and some sources stay; other sources become padding.
    """
    new_id = np.full(layers[-1].slice.stop if layers else 0, -1, dtype=np.int64)
    kept, start = [], 0
    for layer in layers:
        if layer.name in names:
            new_id[layer.slice] = np.arange(start, start + layer.n_nodes)
            kept.append(replace(layer, start=start))
            start += layer.n_nodes
    moved = (_moved(block, new_id) for block in blocks)
    return tuple(kept), tuple(block for block in moved if block is not None)


def _moved(block: Block, new_id: Ids) -> Block | None:
    """Return a block between renumbered nodes, if it is among those that have a number."""
    target = new_id[block.target.as_ids()]
    source = block.source.as_ids()
    source = np.where(source < 0, -1, new_id[source])
    if target.min(initial=0) < 0 or source.max(initial=-1) < 0:
        return None
    ends = (View.of(source, block.source.shape), View.of(target, block.target.shape))
    return replace(block, source=ends[0], target=ends[1])
