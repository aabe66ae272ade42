"""Edges listed one by one: what Sparse is between channels, and what others become."""

from __future__ import annotations

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.sparse import Sparse
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import merged_bias, merged_list, raised, rooted


def coarse_sparse(
    block: Sparse, source: Grouping, target: Grouping, aggregation: Aggregation
) -> Sparse:
    """Add up the edges between the nodes of two channels (see `between_channels`)."""
    entries = np.arange(len(block.indices), dtype=np.int64)
    sources = np.repeat(source.flat, np.diff(block.indptr))
    values, targets = raised(block.weight, aggregation), target.flat[block.indices]
    starts, ends, sums = merged_list(values, sources, targets, entries)
    ones = Recipe.constant(np.ones(len(starts)))
    weight = ones if block.modulatory else rooted(sums, aggregation)
    return listed(starts, ends, weight, block, target)


def listed(sources: Ids, targets: Ids, weight: Recipe, of: Block, target: Grouping) -> Sparse:
    """Return what becomes of a block between coarse nodes, from a list of its edges.

    Parameters
    ----------
    sources, targets : ndarray of int64, shape (n,)
        The coarse nodes of each edge, ascending by source, then by target.
    weight : Recipe
        Weight of each edge, shape (n,).
    of : Block
        The block whose name, bias and kind of edges it has.
    target : Grouping
        The coarse node of each of that block's targets.

    Returns
    -------
    Sparse
    """
    starts, nodes = np.unique(sources), target.nodes
    counts = np.bincount(np.searchsorted(starts, sources), minlength=len(starts))
    return Sparse(
        name=of.name,
        source=View.of(starts),
        target=View.of(nodes),
        weight=weight,
        bias=merged_bias(of.bias, target, nodes),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        indices=np.searchsorted(nodes, targets),
        parametric=of.parametric,
        modulatory=of.modulatory,
    )
