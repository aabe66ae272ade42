"""Sums of a weight over its output and its input channels, part by part, on all cores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.computing import spread
from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import keep_freed_chunks
from cntgraph.core.parameter import kernel_values
from cntgraph.core.recipe import CHUNK_BYTES, Recipe
from cntgraph.core.recipe.chunks import chunks_of
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.recipe.matrix import Factors, Matrix, lies_across
from cntgraph.core.recipe.products import Apart, products_apart
from cntgraph.core.recipe.reading import read_part, read_stored_part
from cntgraph.core.types import Values
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.tally import FIRST, Tally
from cntgraph.network.blocks.transform import Transform, transform_code

#: Bytes of a part: so many that what it costs besides is little, column sums to add up among it.
#: That cost is Python's, one thread at a time.
_PART = 8 * CHUNK_BYTES
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


class _Read(NamedTuple):
    """Values of a part as kernels take them, shape (rows, inner * taps), and their factors."""

    values: NDArray[Any]
    factors: Factors

    def multiplied(self) -> _Read:
        """Return the values times their factors."""
        from cntgraph.core.kernels.scaling import scale_values

        if self.factors.by_row is None:
            return self
        out = np.empty(self.values.shape)
        scale_values(self.values, *self.factors, out)
        return _Read(read_only(out), Factors())

    def flat(self) -> NDArray[Any]:
        """Return the values times their factors, shape (n,)."""
        return self.multiplied().values.reshape(-1)

    def begin_tally(self) -> Tally:
        """Return the tally that the values times their factors may be added to."""
        rows = slice(-(-FIRST // self.values.shape[1]))
        some = _Read(self.values[rows], self.factors.of(rows, slice(None)))
        return Tally.begin(some.flat())


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
    sums, found = dict[Transform, RowColumnSums](), WeightStatistics()
    apart = products_apart(weight) if from_weights == ("signed",) and not statistics else None
    if apart is not None and groups == 1:
        sums["signed"] = _sums_apart(apart, weight.shape)
    elif from_weights or statistics:
        across = groups == 1 and lies_across(weight, 0)
        add = _added_across if across else _added_along
        sums, found = add(weight, groups, from_weights, statistics)
    if "count" in transforms:
        columns = np.full((groups, inner, taps), float(n_rows // groups if groups else 0))
        sums["count"] = RowColumnSums(np.full((n_rows, taps), float(inner)), columns)
    return sums, found


def _sums_apart(apart: Apart, shape: tuple[int, ...]) -> RowColumnSums:
    """Return the sums of a matrix in which there are products: none of them is formed."""
    n_rows, n_columns = shape
    row = apart.times(np.ones((n_columns, 1)), n_rows)
    column = apart.transposed().times(np.ones((n_rows, 1)), n_columns)[None]
    if apart.rest is None:
        return RowColumnSums(row, column)
    rest = row_column_sums(apart.rest, ("signed",))[0]["signed"]
    return RowColumnSums(row + rest.row, column + rest.column)


_Added = tuple[dict[Transform, RowColumnSums], WeightStatistics]


def _added_along(
    weight: Recipe, groups: int, transforms: tuple[Transform, ...], statistics: bool | Bins
) -> _Added:
    """Read the weight by rows."""
    matrix = Matrix.of(weight, (0,), tuple(range(1, len(weight.shape))))
    inner, taps = weight.shape[1], prod(weight.shape[2:])
    sums, found = _Adding.of(matrix, transforms, groups, taps, statistics).run()
    shape = groups, inner, taps
    return {t: RowColumnSums(s.row, s.column.reshape(shape)) for t, s in sums.items()}, found


def _added_across(
    weight: Recipe, groups: int, transforms: tuple[Transform, ...], statistics: bool | Bins
) -> _Added:
    """Read a weight of one group by columns, which lie in memory as rows do else."""
    matrix = Matrix.of(weight, (*range(2, len(weight.shape)), 1), (0,))
    # A tap has rows of its own, one for each inner channel: it takes the place of a group.
    taps = prod(weight.shape[2:])
    sums, found = _Adding.of(matrix, transforms, taps, 1, statistics).run()
    turned = {
        t: RowColumnSums(
            np.ascontiguousarray(s.column.T), np.ascontiguousarray(s.row.reshape(taps, -1).T)[None]
        )
        for t, s in sums.items()
    }
    return turned, found


@dataclass(frozen=True)
class _Adding:
    """Adds up the parts of a weight; its fields are the parameters of `row_column_sums`.

    The weight is given as what is read of it, and the factors of its rows and columns.
    """

    weight: Expression
    factors: Factors
    transforms: tuple[Transform, ...]
    groups: int
    taps: int
    statistics: bool | Bins

    @classmethod
    def of(
        cls, matrix: Matrix, transforms: tuple[Transform, ...], groups: int, taps: int,
        statistics: bool | Bins,
    ) -> _Adding:  # fmt: skip
        """Return what adds up a matrix."""
        factors = matrix.read_factors(read_part)
        return cls(matrix.values, factors, transforms, groups, taps, statistics)

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
            parts = [_Part(0, whole.end_row, *bounds) for bounds in chunks_of(weight, axis=1)]
            if len(parts) > 1:  # columns can be read by themselves
                return parts
        bounds = list(chunks_of(weight, _PART))
        if self.groups > 1 and nbytes // self.groups <= _PART:
            bounds = self.whole_groups(bounds)
        return [_Part(*rows, 0, whole.end_inner) for rows in bounds]

    def whole_groups(self, bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return parts of whole groups: what is summed of one depends on no other."""
        rows = self.weight.shape[0] // self.groups
        ends = sorted({-(-stop // rows) * rows for _, stop in bounds})
        return list(pairwise([0, *ends]))

    def add_up(self, part: _Part) -> _Found:
        """Return the sums and the statistics of a part."""
        read, sums = self.read(part), {t: self.empty(part) for t in self.transforms}
        by_itself = self.statistics and not self.tallies_with_sums(read)
        if by_itself or isinstance(self.statistics, Bins):
            read = read.multiplied()
        tally = read.begin_tally() if self.statistics else None
        for t, own in sums.items():
            if t != "signed":
                self.add_transformed(read, t, part, own)
        if "signed" in sums:
            self.add_signed(read, part, sums["signed"], None if by_itself else tally)
        if tally is None:
            return _Found(part, sums, WeightStatistics())
        if by_itself:
            tally.add(read.values.reshape(-1))
        found = WeightStatistics.of_tally(tally, read.values.size, read.flat)
        if isinstance(self.statistics, Bins):
            found = found.counted(read.flat(), self.statistics)
        return _Found(part, sums, found)

    def tallies_with_sums(self, read: _Read) -> bool:
        """Whether weights are tallied while their sums are taken."""
        return read.values.shape[1] >= _LONG_ROW and "signed" in self.transforms

    def read(self, part: _Part) -> _Read:
        """Return a part as kernels take it."""
        if part.end_inner - part.inner < self.weight.shape[1]:
            stored = read_stored_part(self.weight, 1, part.inner, part.end_inner)
        else:
            stored = read_stored_part(self.weight, 0, part.row, part.end_row)
        values = kernel_values(stored, self.weight.stored_dtype).reshape(len(stored), -1)
        columns = slice(part.inner * self.taps, part.end_inner * self.taps)
        return _Read(values, self.factors.of(slice(part.row, part.end_row), columns))

    def group_rows(self, part: _Part) -> tuple[int, int]:
        """Return the first row of a part, and how many rows a group has."""
        return part.row, self.weight.shape[0] // self.groups

    def add_signed(
        self, read: _Read, part: _Part, sums: RowColumnSums, tally: Tally | None
    ) -> None:
        """Add the sums of the weights as they are, and tally them, if that is wanted."""
        from cntgraph.core.kernels import row_column_sums as kernels

        given = read.values, *read.factors, self.taps, self.group_rows(part), *sums
        kernels.add_sums(*given, None if tally is None else tally.sums)

    def add_transformed(
        self, read: _Read, transform: Transform, part: _Part, sums: RowColumnSums
    ) -> None:
        """Add the sums of f of the weights."""
        from cntgraph.core.kernels.row_column_sums import add_transformed_sums

        code, group_rows = transform_code(transform), self.group_rows(part)
        add_transformed_sums(read.values, *read.factors, code, self.taps, group_rows, *sums)
