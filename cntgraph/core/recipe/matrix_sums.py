"""Sums over axes of stored values times vectors, in one compiled pass: no product is held."""

from __future__ import annotations

from math import prod

import numpy as np

from cntgraph.core.parallel import ordered_map
from cntgraph.core.parameter import kernel_values
from cntgraph.core.recipe.chunks import CHUNK_BYTES, chunks_of
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.recipe.matrix import Factors, Matrix, lies_across
from cntgraph.core.recipe.sums import Read
from cntgraph.core.types import Array, Values

#: Fewer values are added up as they come.
_FEW = 1 << 14
#: Bytes that are read at once.
_PART = 8 * CHUNK_BYTES


def matrix_sum(recipe: Expression, read: Read, read_stored: Read) -> Array | None:
    """Return a sum over axes of what a parameter holds times vectors, or of its size or square.

    Parameters
    ----------
    recipe : Expression
        A sum.
    read, read_stored : callable
        Return a part of an expression: its values, or as they are stored.

    Returns
    -------
    ndarray of float64 or None
        None of a sum of anything else, or of little.
    """
    source, over = recipe.args[0], recipe.options["axes"]
    inner = source.args[0] if source.op in ("absolute", "square") else source
    kept = [axis for axis in range(len(source.shape)) if axis not in over]
    if prod(source.shape) < _FEW:
        return None
    across = any(lies_across(inner, axis) for axis in kept)
    rows, columns = (over, kept) if across else (kept or over[:1], over if kept else over[1:])
    matrix = Matrix.of(inner, tuple(rows), tuple(columns))
    if not matrix.factors and matrix.values.moved_parameter is None:
        return None
    adding = _Adding(matrix.values, matrix.read_factors(read), source.op, read_stored)
    by_row, by_column = adding.run(prod(source.shape[k] for k in rows))
    found = by_column if across else by_row
    return (found if kept else found.sum()).reshape(recipe.shape)


class _Adding:
    """Adds up the rows and the columns of a matrix."""

    def __init__(
        self, values: Expression, factors: Factors, transform: str, read_stored: Read
    ) -> None:
        self.values, self.factors = values, factors
        self.transform, self.read_stored = transform, read_stored

    def run(self, n_rows: int) -> tuple[Values, Values]:
        """Return the sums of all rows and of all columns."""
        by_row, by_column = np.zeros(n_rows), np.zeros(1)
        parts = list(chunks_of(self.values, _PART))
        for (start, stop), own in zip(parts, ordered_map(self.add_up, parts), strict=True):
            by_row[start:stop] = own[0]
            by_column = by_column + own[1]
        return by_row, by_column

    def add_up(self, part: tuple[int, int]) -> tuple[Values, Values]:
        """Return the sums of some rows, and of the columns over them."""
        from cntgraph.core.kernels import row_column_sums as kernels
        from cntgraph.core.kernels.transform import ABSOLUTE, SQUARE

        stored = self.read_stored(self.values, 0, *part)
        values = kernel_values(stored, self.values.stored_dtype).reshape(len(stored), -1)
        by_row, by_column = np.zeros((len(values), 1)), np.zeros((1, values.shape[1]))
        given = (*self.factors.of(slice(*part), slice(None)),)
        places = 1, (0, len(values)), by_row, by_column
        if self.transform in ("absolute", "square"):
            code = ABSOLUTE if self.transform == "absolute" else SQUARE
            kernels.add_transformed_sums(values, *given, code, *places)
        else:
            kernels.add_sums(values, *given, *places, None)
        return by_row[:, 0], by_column[0]
