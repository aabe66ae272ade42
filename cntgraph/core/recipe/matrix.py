"""Matrix: a value as rows and columns, read as it is stored, with a factor for each of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import numpy as np

from cntgraph.core.recipe.expression import Expression, Shape
from cntgraph.core.recipe.scaled import scaled, steps
from cntgraph.core.types import Array, Values


class Factors(NamedTuple):
    """What rows and columns are multiplied by, shapes (n,), in float64; None of both without."""

    by_row: Values | None = None
    by_column: Values | None = None

    def of(self, rows: slice, columns: slice) -> Factors:
        """Return those of some rows and columns."""
        if self.by_row is None or self.by_column is None:
            return self
        return Factors(self.by_row[rows], self.by_column[columns])


@dataclass(frozen=True)
class Matrix:
    """Some axes of a value as rows, and the others as columns.

    Parameters
    ----------
    values : Expression
        What is read: the axes of the rows as one, and those of the columns.
    factors : tuple of Expression
        What it is multiplied by, each either along axes of rows or along axes of columns.
    shape : tuple of int
        The value's.
    rows, columns : tuple of int
        Its axes.
    """

    values: Expression
    factors: tuple[Expression, ...]
    shape: Shape
    rows: Shape
    columns: Shape

    @classmethod
    def of(cls, value: Expression, rows: Shape, columns: Shape) -> Matrix:
        """Return a value as a matrix; its factors apart, if each is of rows or of columns.

        Parameters
        ----------
        value : Expression
        rows, columns : tuple of int
            Each of its axes, once; those of the columns ascend.

        Examples
        --------
        >>> from cntgraph.core.recipe import Recipe
        >>> from cntgraph.core.recipe.reading import read_part
        >>> w, gain = Recipe.constant(np.ones((2, 3, 4))), Recipe.constant(np.ones((3, 1)))
        >>> found = Matrix.of(w * gain, (1, 0), (2,))
        >>> found.values.shape, found.read_factors(read_part).by_row
        ((6, 4), array([1., 1., 1., 1., 1., 1.]))
        """
        found = scaled(value)
        if not all(_is_of(f, rows) or _is_of(f, columns) for f in found.factors):
            found = found._replace(moved=value, factors=())
        if len(rows) == 1:
            values = found.moved.transpose((*rows, *columns))
        else:
            values = _rows_as_one(found.moved, rows, columns)
        return cls(values, found.factors, value.shape, rows, columns)

    def read_factors(self, read: Callable[[Expression], Array]) -> Factors:
        """Return the products of the factors of rows and of those of columns."""
        if not self.factors:
            return Factors()
        by_row = [f for f in self.factors if _is_of(f, self.rows)]
        by_column = [f for f in self.factors if not _is_of(f, self.rows)]
        return Factors(
            self._along(self.rows, by_row, read), self._along(self.columns, by_column, read)
        )

    def _along(
        self, axes: Shape, factors: list[Expression], read: Callable[[Expression], Array]
    ) -> Values:
        total = np.ones([self.shape[k] for k in axes])
        others = tuple(k for k in range(len(self.shape)) if k not in axes)
        for factor in factors:
            total *= (
                read(factor).transpose((*axes, *others)).reshape([factor.shape[k] for k in axes])
            )
        return total.reshape(-1)


def _is_of(factor: Expression, axes: Shape) -> bool:
    """Whether a factor is the same along all but some axes."""
    return prod(factor.shape) == prod(factor.shape[k] for k in axes)


def _rows_as_one(value: Expression, rows: Shape, columns: Shape) -> Expression:
    """Move the axes of rows to the front, as one."""
    # Movements cancel that do not where axes of length one are in between.
    long = [k for k in (*rows, *columns) if value.shape[k] != 1]
    order = sorted(long)
    values = value.reshape(tuple(value.shape[k] for k in order))
    values = values.transpose(tuple(order.index(k) for k in long))
    n_rows = prod(value.shape[k] for k in rows)
    return _laid_out(values, (n_rows, *(value.shape[k] for k in columns)))


def _laid_out(value: Expression, shape: Shape) -> Expression:
    """Return a value in another shape; of an array in memory, as if it were stored so."""
    data = None if value.parameter is None else value.parameter.data
    if value.parameter is None or not isinstance(data, np.ndarray) or not data.flags.c_contiguous:
        return value.reshape(shape)
    # So that any of its rows can be read by themselves.
    parameter = replace(value.parameter, shape=shape, data=data.reshape(shape))
    return replace(value, shape=shape, parameter=parameter)


def lies_across(value: Expression, axis: int) -> bool:
    """Whether what is next to one another along an axis is so where it is read from, too.

    Examples
    --------
    >>> from cntgraph.core.recipe import Recipe
    >>> w = Recipe.constant(np.ones((2, 3)))
    >>> lies_across(w, 0), lies_across(w.transpose((1, 0)), 0)
    (False, True)
    """
    apart = steps(scaled(value).moved)
    others = [step for k, step in enumerate(apart) if k != axis and step and value.shape[k] > 1]
    return value.shape[axis] > 1 and 0 < apart[axis] < min(others, default=0)
