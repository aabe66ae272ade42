"""A block between channels or between layers, for each kind of block.

A third party adds its own kind of block with ``between_channels.register(Kind, function)``, and
with ``between_layers.register`` where layers are not to be treated like channels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from cntgraph.core.errors import CntGraphError
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.dense import Dense
from cntgraph.network.blocks.diagonal import Diagonal
from cntgraph.network.blocks.identity import Identity
from cntgraph.network.blocks.pool import Pool
from cntgraph.network.blocks.sparse import Sparse
from cntgraph.network.coarsening.conv_kernel import coarse_conv
from cntgraph.network.coarsening.dense import coarse_dense
from cntgraph.network.coarsening.diagonal import coarse_diagonal
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.identity import coarse_identity, identity_of_layers
from cntgraph.network.coarsening.pool import coarse_pool, pool_of_layers
from cntgraph.network.coarsening.sparse import coarse_sparse


@singledispatch
def between_channels(
    block: Block, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Return a block between channels: one edge per pair, its weight that of all between them.

    Parameters
    ----------
    block : Block
        The block between nodes.
    source, target : Grouping
        The channel of each position of the block's source and target.
    aggregation : {"sum", "l1", "l2"}
        What the weight is of the stored weights that connect the pair, each counted once:
        Σw, Σ|w| or √Σw².

    Returns
    -------
    Block
        Over channels instead of nodes, with a recipe over the same parameters. Its views are of
        one dimension, or of one position per channel.

    Raises
    ------
    CntGraphError
        If nothing is registered for the kind of block, and channels are more than its nodes.
    """
    if not (source.is_trivial and target.is_trivial and aggregation == "sum"):
        raise CntGraphError(
            f"block {block.name!r}: nothing says what the weight of the kind {block.kind!r} "
            "between two channels is; register a function for it with "
            "cntgraph.network.coarsening.between_channels.register"
        )
    views = (View.of(side.flat, side.shape) for side in (source, target))
    return replace(block, source=next(views), target=next(views))


@singledispatch
def between_layers(
    block: Block, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Block:
    """Return a block between layers, given one between channels.

    Parameters
    ----------
    block : Block
        The block between channels.
    source, target : Grouping
        The layer of each position of the block's source and target.
    aggregation : {"sum", "l1", "l2"}
        What the weight is of those between their channels.

    Returns
    -------
    Block
    """
    return between_channels(block, source, target, aggregation)


between_channels.register(Conv, coarse_conv)
between_channels.register(Dense, coarse_dense)
between_channels.register(Diagonal, coarse_diagonal)
between_channels.register(Identity, coarse_identity)
between_channels.register(Pool, coarse_pool)
between_channels.register(Sparse, coarse_sparse)
between_layers.register(Identity, identity_of_layers)
between_layers.register(Pool, pool_of_layers)
