"""What a matrix is between channels: the sums of its entries."""

from __future__ import annotations

from dataclasses import replace

from cntgraph.core.view import View
from cntgraph.network.blocks.dense import Dense
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import merged_bias, merged_matrix, raised, rooted


def coarse_dense(
    block: Dense, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Dense:
    """Add up the weights between the nodes of two channels (see `between_channels`)."""
    weight, rows, columns = merged_matrix(
        raised(block.weight, aggregation), target.flat, source.flat
    )
    return replace(
        block,
        source=View.of(columns),
        target=View.of(rows),
        weight=rooted(weight, aggregation),
        bias=merged_bias(block.bias, target, rows),
    )
