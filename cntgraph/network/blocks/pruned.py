"""The edges and the weights of a block of which some are pruned: those that are left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array
from cntgraph.network.blocks.csr import Starts, copy_rows_to, row_runs
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics

#: What writes all edges of a block, as `Block.fill` does.
Fill = Callable[[Starts, int, Array, Array], None]
#: Edges that are held at a time, those that are pruned among them.
_EDGES = 1 << 22


def fill_kept(
    all_edges: tuple[Fill, Fill], degrees: Starts, starts: Starts, column: int, indices: Array,
    data: Array,
) -> None:  # fmt: skip
    """Do `Block.fill` without the edges that are pruned.

    Parameters
    ----------
    all_edges : (callable, callable)
        What writes all edges of the block, and what writes a number for each that is zero where it
        is pruned.
    degrees : ndarray of int64, shape (source.size,)
        How many edges would leave each source position, were none pruned.
    starts, column, indices, data
        As in `Block.fill`: where the edges that are left begin.
    """
    write, write_kept = all_edges
    listed = np.where(starts >= 0, degrees, 0)
    for first, last in row_runs(np.cumsum(listed), _EDGES):
        own = listed[first:last]
        indptr = np.concatenate([[0], np.cumsum(own)])
        here = np.full(len(starts), -1, dtype=np.int64)
        here[first:last] = np.where(own > 0, indptr[:-1], -1)
        places = np.empty(indptr[-1], indices.dtype)
        weights, ones = np.empty(indptr[-1], data.dtype), np.empty(indptr[-1], np.float64)
        write_kept(here, 0, places, ones)
        write(here, 0, places, weights)
        left = ones != 0
        before = np.concatenate([[0], np.cumsum(left)])[indptr]
        rows = before, places[left], weights[left]
        copy_rows_to(rows, starts[first:last], column, indices, data)


def statistics_of_kept(weight: Recipe, kept: Recipe, bins: Bins | bool) -> WeightStatistics:
    """Return the statistics of the weights that are not pruned.

    Parameters
    ----------
    weight, kept : Recipe
        All weights, and which are left: not zero there.
    bins : Bins or bool
        Where to count them, if they are to be counted.
    """
    found = WeightStatistics()
    for bounds in weight.chunks() if weight.shape else [()]:
        values = weight.read(0, *bounds)
        found += WeightStatistics.of(values[kept.read(0, *bounds) != 0], bins=bins)
    return found
