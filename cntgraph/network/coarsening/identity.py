"""What is handed on between channels and between layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.identity import Identity
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import distinct, in_target_order, merged_bias, paired
from cntgraph.network.coarsening.sparse import listed
from cntgraph.network.coarsening.structural import added_up


def coarse_identity(
    block: Identity, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Hand every channel on to those it reaches (see `between_channels`)."""
    sources, targets, _ = paired(source, target, np.zeros((), dtype=np.int64))
    kept = sources >= 0
    (starts, ends), _ = distinct(sources[kept], targets[kept])
    return _between(block, starts, ends, np.ones(len(starts)), target)


def identity_of_layers(
    block: Identity, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Add up the channels that are handed on (see `between_layers`); 1 where they modulate."""
    return _between(block, *added_up(block, source, target, aggregation), target)


def _between(block: Identity, starts: Ids, ends: Ids, weights: Values, target: Grouping) -> Block:
    order = in_target_order(ends, target.nodes)
    if order is None or (weights != 1.0).any():
        return listed(starts, ends, Recipe.constant(weights), block, target)
    bias = merged_bias(block.bias, target, ends[order])
    return replace(block, source=View.of(starts[order]), target=View.of(ends[order]), bias=bias)
