"""What gains are between channels: the sums of those that are distinct."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.diagonal import Diagonal
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import (
    in_target_order,
    merged_bias,
    merged_list,
    paired,
    picked,
    raised,
    rooted,
)
from cntgraph.network.coarsening.sparse import listed


def coarse_diagonal(
    block: Diagonal, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Add up the distinct gains between two channels (see `between_channels`)."""
    shape = (*(1,) * (len(target.shape) - len(block.weight.shape)), *block.weight.shape)
    entries = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    values = raised(block.weight.reshape((-1,)), aggregation)
    starts, ends, sums = merged_list(values, *paired(source, target, entries))
    weight = rooted(sums, aggregation)
    order = in_target_order(ends, target.nodes)
    if order is None:
        return listed(starts, ends, weight, block, target)
    return replace(
        block,
        source=View.of(starts[order]),
        target=View.of(ends[order]),
        weight=picked(weight, 0, order),
        bias=merged_bias(block.bias, target, ends[order]),
    )
