"""Sums of a weight over its output and its input channels, part by part, on all cores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.computing import spread
from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import keep_freed_chunks
from cntgraph.core.parameter import kernel_values
from cntgraph.core.recipe import CHUNK_BYTES, Recipe
from cntgraph.core.types import Values
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.tally import Tally, bits_of
from cntgraph.network.blocks.transform import Transform, transform_code

#: A weight of fewer rows is read in parts of all rows, if one row is as large as a part.
_FEW_ROWS = 8
#: Shorter rows are tallied by themselves, many at once.
_LONG_ROW = 128


class RowColumnSums(NamedTuple):
    """For each transform f of a weight w of shape (rows, inner, taps), in groups of rows.

    `row` is the sum of f(w) over `inner`, shape (rows, taps); `column` the sum over the rows
    of each group, shape (groups, inner, taps).
    """

    row: Values
    column: Values


class _Part(NamedTuple):
    """Rows and inner channels of a weight."""

    row: int
    end_row: int
    inner: int
    end_inner: int


class _Found(NamedTuple):
    """What a part of a weight gives; its column sums are of shape (groups, inner * taps)."""

    part: _Part
    sums: dict[Transform, RowColumnSums]
    statistics: WeightStatistics


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
    taps = prod(weight.shape[2:])
    check_memory(16 * (n_rows + groups * inner) * taps, f"the sums of a weight {weight.shape}")
    from_weights = tuple(t for t in dict.fromkeys(transforms) if t != "count")
    adding = _Adding(weight, from_weights, groups, taps, statistics)
    sums, found = adding.run() if from_weights or statistics else ({}, WeightStatistics())
    if "count" in transforms:
        sums["count"] = adding.empty(adding.whole)
        sums["count"].row[:] = inner
        sums["count"].column[:] = n_rows // groups if groups else 0
    shape = groups, inner, taps
    return {t: RowColumnSums(s.row, s.column.reshape(shape)) for t, s in sums.items()}, found


@dataclass(frozen=True)
class _Adding:
    """Adds up the parts of a weight; its fields are the parameters of `row_column_sums`."""

    weight: Recipe
    transforms: tuple[Transform, ...]
    groups: int
    taps: int
    statistics: bool | Bins

    @cached_property
    def whole(self) -> _Part:
        """All of the weight."""
        return _Part(0, self.weight.shape[0], 0, self.weight.shape[1])

    def empty(self, part: _Part) -> RowColumnSums:
        """Return the sums of nothing."""
        rows, columns = part.end_row - part.row, (part.end_inner - part.inner) * self.taps
        return RowColumnSums(np.zeros((rows, self.taps)), np.zeros((self.groups, columns)))

    def run(self) -> tuple[dict[Transform, RowColumnSums], WeightStatistics]:
        """Return the sums and the statistics of the whole weight."""
        parts = self.parts()
        if len(parts) == 1:
            _, sums, statistics = self.add_up(parts[0])
            return sums, statistics
        keep_freed_chunks()
        sums, statistics = {t: self.empty(self.whole) for t in self.transforms}, WeightStatistics()
        for part, own, own_statistics in spread(self.add_up, parts):
            columns = slice(part.inner * self.taps, part.end_inner * self.taps)
            for t, s in own.items():
                sums[t].row[part.row : part.end_row] += s.row
                sums[t].column[:, columns] += s.column
            statistics += own_statistics
        return sums, statistics

    def parts(self) -> list[_Part]:
        """Return the parts in which the weight is read, whatever the number of threads."""
        weight, whole = self.weight, self.whole
        row, parameter = prod(weight.shape[1:]) * weight.dtype.itemsize, weight.moved_parameter
        nbytes = whole.end_row * row
        if parameter is not None and nbytes and max(nbytes, parameter.nbytes) <= CHUNK_BYTES:
            return [whole]
        if whole.end_row < _FEW_ROWS and row > CHUNK_BYTES:
            parts = [_Part(0, whole.end_row, *bounds) for bounds in weight.chunks(axis=1)]
            if len(parts) > 1:  # columns can be read by themselves
                return parts
        # Of 4 MB, or of 128 rows, what a part costs besides is little, column sums to add up
        # among it; but of a smaller weight there are parts for many threads.
        several = min(max(128 * row, 4 * CHUNK_BYTES), 8 * CHUNK_BYTES)
        some = max(CHUNK_BYTES, min(several, nbytes // 16))
        bounds = list(weight.chunks(some))
        if self.groups > 1 and nbytes // self.groups <= some:
            bounds = self.whole_groups(bounds)
        return [_Part(*rows, 0, whole.end_inner) for rows in bounds]

    def whole_groups(self, bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return parts of whole groups: what is summed of one depends on no other."""
        rows = self.weight.shape[0] // self.groups
        ends = sorted({-(-stop // rows) * rows for _, stop in bounds})
        return list(pairwise([0, *ends]))

    def add_up(self, part: _Part) -> _Found:
        """Return the sums and the statistics of a part."""
        values = self.read(part)
        sums = {t: self.empty(part) for t in self.transforms}
        for t, own in sums.items():
            if t != "signed":
                self.add_transformed(values, t, part, own)
        flat = values.reshape(-1)
        tally = Tally.begin(flat) if self.statistics else None
        together = tally if values.shape[1] >= _LONG_ROW and "signed" in sums else None
        if "signed" in sums:
            self.add_signed(values, part, sums["signed"], together)
        if tally is None:
            return _Found(part, sums, WeightStatistics())
        if together is None:
            tally.add(flat)
        found = WeightStatistics.of_tally(tally, flat)
        if isinstance(self.statistics, Bins):
            found = found.counted(flat, self.statistics)
        return _Found(part, sums, found)

    def read(self, part: _Part) -> NDArray[Any]:
        """Return a part as kernels take it, shape (rows, inner * taps)."""
        if part.end_inner - part.inner < self.weight.shape[1]:
            stored = self.weight.read_stored(1, part.inner, part.end_inner)
        else:
            stored = self.weight.read_stored(0, part.row, part.end_row)
        return kernel_values(stored, self.weight.stored_dtype).reshape(len(stored), -1)

    def group_rows(self, part: _Part) -> tuple[int, int]:
        """Return the first row of a part, and how many rows a group has."""
        return part.row, self.weight.shape[0] // self.groups

    def add_signed(
        self, values: NDArray[Any], part: _Part, sums: RowColumnSums, tally: Tally | None
    ) -> None:
        """Add the sums of the weights as they are, and tally them, if that is wanted."""
        from cntgraph.core.kernels import row_column_sums as kernels

        totals = sums.row.reshape(-1) if self.taps == 1 else np.zeros(len(values))
        given = self.group_rows(part), totals, sums.column
        if tally is None:
            kernels.add_sums(values, *given)
        else:
            bits = bits_of(values)
            kernels.add_sums_and_moments(values, bits, *given, tally.powers, tally.extremes)
        if self.taps > 1:
            kernels.add_row_sums_by_tap(values, self.taps, sums.row)

    def add_transformed(
        self, values: NDArray[Any], transform: Transform, part: _Part, sums: RowColumnSums
    ) -> None:
        """Add the sums of f of the weights."""
        from cntgraph.core.kernels.row_column_sums import add_transformed_sums

        code, group_rows = transform_code(transform), self.group_rows(part)
        add_transformed_sums(values, code, self.taps, group_rows, *sums)
