"""What a pooling is between channels and between layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.pool import Pool
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import in_target_order, merged_bias
from cntgraph.network.coarsening.sparse import listed
from cntgraph.network.coarsening.structural import added_up, fullest_windows


def coarse_pool(block: Pool, source: Grouping, target: Grouping, aggregation: Aggregation) -> Block:
    """Return a pooling between channels, whose weight is that of a full window.

    An average pooling sums to one, a max pooling to the number of its candidates, an attention to
    one (see `between_channels`); where it only modulates, the weight is one.
    """
    starts, ends, windows = fullest_windows(block.operators, source, target)
    totals = {"sum": windows.sums, "l1": windows.sizes, "l2": np.sqrt(windows.squares)}
    weights = totals[aggregation]
    weights = np.ones(len(starts)) if block.modulatory else weights
    return _between(block, starts, ends, weights, target)


def pool_of_layers(
    block: Pool, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Add up the windows of the channels (see `between_layers`); 1 where they modulate."""
    return _between(block, *added_up(block, source, target, aggregation), target)


def _between(block: Pool, starts: Ids, ends: Ids, weights: Values, target: Grouping) -> Block:
    order = in_target_order(ends, target.nodes)
    if order is None or not len(order) or (weights[1:] != weights[:-1]).any():
        return listed(starts, ends, Recipe.constant(weights), block, target)
    # One position per channel, all alike.
    nothing = np.zeros(1, dtype=np.int64)
    bias = merged_bias(block.bias, target, ends[order])
    return replace(
        block,
        source=View.of(starts[order], (len(order), 1)),
        target=View.of(ends[order], (len(order), 1)),
        operators=(AxisOperator(1, 1, nothing, nothing, weights[:1]),),
        bias=None if bias is None else bias.reshape((-1, 1)),
    )
