"""Sums of a weight over its output and its input channels, chunk by chunk, on all cores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import keep_freed_chunks, ordered_map
from cntgraph.core.recipe import CHUNK_BYTES, Recipe
from cntgraph.core.types import Values
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform, transform_code


class RowColumnSums(NamedTuple):
    """For each transform f of a weight w of shape (rows, inner, taps), in groups of rows.

    `row` is the sum of f(w) over `inner`, shape (rows, taps); `column` the sum over the rows
    of each group, shape (groups, inner, taps).
    """

    row: Values
    column: Values


def row_column_sums(
    weight: Recipe,
    transforms: tuple[Transform, ...],
    *,
    groups: int = 1,
    statistics: bool | Bins = False,
) -> tuple[dict[Transform, RowColumnSums], WeightStatistics]:
    """Return the row and column sums of a weight under every transform, reading each value once.

    Parameters
    ----------
    weight : Recipe
        Shape (rows, inner, *taps), rows ordered by group.
    transforms : tuple of str
        Which f to sum.
    groups : int, default 1
        Number of groups of rows.
    statistics : bool or Bins, default False
        Whether the statistics of the weights are wanted as well, and in which bins to count them.

    Returns
    -------
    sums : dict of str to RowColumnSums
    statistics : WeightStatistics
        Of no weights unless asked for.
    """
    n_rows, inner = weight.shape[:2]
    taps = int(np.prod(weight.shape[2:], dtype=np.int64))
    check_memory(16 * (n_rows + groups * inner) * taps, f"the sums of a weight {weight.shape}")
    result = {
        t: RowColumnSums(np.zeros((n_rows, taps)), np.zeros((groups, inner * taps)))
        for t in transforms
    }
    total = WeightStatistics()
    from_weights = tuple(t for t in transforms if t != "count")

    def work(bounds: tuple[int, int]) -> tuple[int, list[RowColumnSums], WeightStatistics]:
        chunk = np.ascontiguousarray(weight.read(0, *bounds)).reshape(-1, inner * taps)
        parts = [_chunk(chunk, t, taps, bounds[0], n_rows // groups, groups) for t in from_weights]
        found = (
            WeightStatistics.of(chunk, threads=1, bins=statistics)
            if statistics
            else WeightStatistics()
        )
        return bounds[0], parts, found

    if from_weights or statistics:
        keep_freed_chunks()
        bounds = list(weight.chunks(max(CHUNK_BYTES, weight.shape[0] and _chunk_bytes(weight))))
        threads = 1 if len(bounds) < 2 else None
        for start, parts, found in ordered_map(work, bounds, threads=threads):
            for t, part in zip(from_weights, parts, strict=True):
                result[t].row[start : start + len(part.row)] += part.row
                result[t].column[:] += part.column
            total += found
    if "count" in result:
        result["count"].row[:] = inner
        result["count"].column[:] = n_rows // groups if groups else 0
    return {t: _shaped(m, inner, taps) for t, m in result.items()}, total


def _chunk_bytes(weight: Recipe) -> int:
    """Return the bytes of 128 rows or so: adding up column sums stays cheap beside reading them."""
    row = int(np.prod(weight.shape[1:], dtype=np.int64)) * weight.dtype.itemsize
    return min(128 * row, 8 * CHUNK_BYTES)


def _chunk(
    chunk: NDArray[Any], transform: Transform, taps: int, first: int, per_group: int, groups: int
) -> RowColumnSums:
    from cntgraph.core.kernels.row_column_sums import add_kernel_sums, add_matrix_sums

    row, column = np.zeros((len(chunk), taps)), np.zeros((groups, chunk.shape[1]))
    if transform == "signed" and taps == 1 and groups == 1:
        add_matrix_sums(chunk, row[:, 0], column[0])
    else:
        code = transform_code(transform)
        add_kernel_sums(chunk, code, taps, first, per_group, row, column)
    return RowColumnSums(row, column)


def _shaped(sums: RowColumnSums, inner: int, taps: int) -> RowColumnSums:
    groups = len(sums.column)
    return RowColumnSums(sums.row, sums.column.reshape(groups, inner, taps))
