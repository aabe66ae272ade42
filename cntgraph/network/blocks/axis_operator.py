"""AxisOperator: the small sparse matrix by which a pooling acts along one axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values
from cntgraph.network.blocks.axis_classes import AxisClasses
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.blocks.window import Window, check_positions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Indices = NDArray[np.int64]


class Edges(NamedTuple):
    """Position before, position after and weight of each edge along an axis."""

    rows: NDArray[np.integer[Any]]
    columns: NDArray[np.integer[Any]]
    weights: Values


@dataclass(frozen=True, eq=False)
class AxisOperator:
    """Weights from the positions of an axis before a pooling to those after it.

    Parameters
    ----------
    n_in, n_out : int
        Number of positions before and after.
    rows, columns : ndarray of int64, shape (n,)
        Position before and position after of each edge.
    weights : ndarray of float64, shape (n,)
        Its weight.

    Examples
    --------
    >>> AxisOperator.adaptive(5, 2).matrix.toarray()
    array([[0.33333333, 0.        ],
           [0.33333333, 0.        ],
           [0.33333333, 0.33333333],
           [0.        , 0.33333333],
           [0.        , 0.33333333]])
    """

    n_in: int
    n_out: int
    rows: Indices
    columns: Indices
    weights: Values

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.columns) == len(self.weights):
            raise ParameterError("expected a row and a column for each weight of a pooling")
        for places, size in ((self.rows, self.n_in), (self.columns, self.n_out)):
            if places.size and not 0 <= places.min() <= places.max() < size:
                raise ParameterError(f"expected positions of a pooling below {size}")
        if not np.isfinite(self.weights).all():
            raise ParameterError("expected finite weights of a pooling")

    @classmethod
    def of_window(cls, window: Window, divisor: Values | None = None) -> AxisOperator:
        """Return the operator of a sliding window: weights 1, or 1 / `divisor` by output."""
        fine, coarse, _ = window.pairs()
        weights = np.ones(fine.size) if divisor is None else 1.0 / divisor[coarse]
        return cls(window.fine, window.coarse, fine, coarse, weights)

    @classmethod
    def adaptive(cls, n_in: int, n_out: int, *, average: bool = True) -> AxisOperator:
        """Return the operator of an adaptive pooling: output o covers [⌊o n/m⌋, ⌈(o+1) n/m⌉)."""
        check_positions(n_in, n_out)
        o = np.arange(n_out)
        first, last = o * n_in // n_out, -(-(o + 1) * n_in // n_out)
        counts = last - first
        columns = np.repeat(o, counts)
        rows = np.arange(len(columns)) + (first - np.cumsum(counts) + counts)[columns]
        weights = np.repeat(1.0 / np.maximum(counts, 1) if average else np.ones(n_out), counts)
        return cls(n_in, n_out, rows, columns, weights)

    @classmethod
    def identity(cls, n: int) -> AxisOperator:
        """Return the operator that hands every position on to itself."""
        check_positions(n)
        places = np.arange(n, dtype=np.int64)
        return cls(n, n, places, places, np.ones(n))

    @classmethod
    def ones(cls, n_in: int, n_out: int) -> AxisOperator:
        """Return the operator of weight one from every position to every other."""
        check_memory(48 * n_in * n_out, f"connecting {n_in:,} positions with {n_out:,}")
        rows, columns = (places.reshape(-1) for places in np.indices((n_in, n_out)))
        return cls(n_in, n_out, rows, columns, np.ones(n_in * n_out))

    @classmethod
    def uniform(cls, keep: NDArray[np.bool_]) -> AxisOperator:
        """Return the operator of an attention whose weights are data: uniform over what is kept.

        Parameters
        ----------
        keep : ndarray of bool, shape (n_out, n_in)
            Which positions each output may attend to.

        Returns
        -------
        AxisOperator
            Weight 1 / (number kept for the output) from every position that is kept.

        Examples
        --------
        >>> AxisOperator.uniform(np.tri(3, dtype=bool)).matrix.toarray().round(3)
        array([[1.   , 0.5  , 0.333],
               [0.   , 0.5  , 0.333],
               [0.   , 0.   , 0.333]])
        """
        columns, rows = np.nonzero(keep)
        weights = 1.0 / keep.sum(axis=1)[columns]
        return cls(keep.shape[1], keep.shape[0], rows, columns, weights)

    @classmethod
    def linear(
        cls, n_in: int, n_out: int, *, align_corners: bool = False, scale: float | None = None
    ) -> AxisOperator:
        """Return the operator of a linear interpolation: each output lies between two inputs.

        Output o lies at x = (o + ½) n/m − ½, kept within the axis, or, with the corners aligned,
        at x = o (n − 1)/(m − 1); it reads ⌊x⌋ and ⌊x⌋ + 1 with weights that add up to one.

        Parameters
        ----------
        n_in, n_out : int
            Number of positions before and after.
        align_corners : bool, default False
            Whether the first and the last positions lie on each other.
        scale : float, optional
            m/n as it was asked for, where it is not n_out / n_in exactly.

        Returns
        -------
        AxisOperator

        Examples
        --------
        >>> AxisOperator.linear(2, 4).matrix.toarray()
        array([[1.  , 0.75, 0.25, 0.  ],
               [0.  , 0.25, 0.75, 1.  ]])
        """
        check_positions(n_in, n_out)
        if n_in == n_out:
            return cls.identity(n_in)
        o = np.arange(n_out, dtype=np.float64)
        if align_corners:
            x = o * (n_in - 1) / max(n_out - 1, 1)
        elif scale is None:
            x = ((2 * o + 1) * n_in - n_out) / (2 * n_out)
        else:
            x = (o + 0.5) / scale - 0.5
        return cls.between(n_in, x)

    @classmethod
    def between(cls, n_in: int, places: Values) -> AxisOperator:
        """Return the operator of a linear interpolation at given places, kept within the axis.

        Parameters
        ----------
        n_in : int
            Number of positions before.
        places : ndarray of float64, shape (n_out,)
            Where each position after lies among those before.

        Returns
        -------
        AxisOperator

        Examples
        --------
        >>> AxisOperator.between(3, np.array([-1.0, 0.25, 2.0])).matrix.toarray()
        array([[1.  , 0.75, 0.  ],
               [0.  , 0.25, 0.  ],
               [0.  , 0.  , 1.  ]])
        """
        x, n_out = np.clip(places, 0.0, max(n_in - 1, 0)), len(places)
        first = np.floor(x).astype(np.int64)
        rows, columns = np.concatenate([first, first + 1]), np.tile(np.arange(n_out), 2)
        weights = np.concatenate([1.0 - (x - first), x - first])
        edges = weights > 0  # a position that lies on an input reads no other
        return cls(n_in, n_out, rows[edges], columns[edges], weights[edges])

    @classmethod
    def of_matrix(cls, matrix: Values) -> AxisOperator:
        """Return the operator with the entries of a matrix (n_in, n_out) that are not zero."""
        rows, columns = np.nonzero(matrix)
        n_in, n_out = matrix.shape
        return cls(n_in, n_out, rows, columns, matrix[rows, columns])

    def then(self, other: AxisOperator) -> AxisOperator:
        """Return one operator for this one and another after it."""
        product = (self.matrix @ other.matrix).tocoo()
        rows, columns = (places.astype(np.int64) for places in product.coords)
        return AxisOperator(self.n_in, other.n_out, rows, columns, product.data)

    @cached_property
    def edges(self) -> Edges:
        """The edges in order of their rows; several between the same positions are one."""
        place = self.rows * self.n_out + self.columns
        order = np.argsort(place, kind="stable")
        place, weights = place[order], self.weights[order]
        del order  # of millions of edges, what is not needed any more is given back
        is_first = np.diff(place, prepend=-1) != 0
        if not is_first.all():
            starts = np.flatnonzero(is_first)
            place, weights = place[starts], np.add.reduceat(weights, starts)
        # As SciPy has them: in 32 bits, if they fit.
        fits = max(self.n_in, self.n_out, len(place)) < 2**31
        kind = np.int32 if fits else np.int64
        n_out = max(self.n_out, 1)
        return Edges((place // n_out).astype(kind), (place % n_out).astype(kind), weights)

    @cached_property
    def matrix(self) -> csr_array:
        """The weights as a matrix of shape (n_in, n_out)."""
        from scipy.sparse import csr_array

        rows, columns, weights = self.edges
        starts = np.searchsorted(rows, np.arange(self.n_in + 1)).astype(rows.dtype)
        return csr_array((weights, columns, starts), shape=(self.n_in, self.n_out))

    def transformed(self, transform: Transform) -> csr_array:
        """Return f of the matrix, entry by entry of what is stored."""
        matrix = self.matrix.copy()
        matrix.data = apply_transform(matrix.data, transform)
        return matrix

    def sums(self, transform: Transform) -> Sides:
        """Return row and column sums of f of the matrix, which follow from the geometry alone."""
        if transform not in self._sums:
            rows, columns, weights = self.edges
            values = apply_transform(weights, transform)
            sides = (rows, self.n_in), (columns, self.n_out)
            self._sums[transform] = Sides(
                *(_few(np.bincount(places, values, n).astype(np.float64)) for places, n in sides)
            )
        return self._sums[transform]

    @cached_property
    def _sums(self) -> dict[Transform, Sides]:
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the operator as plain values and arrays."""
        arrays = {"rows": self.rows, "columns": self.columns, "weights": self.weights}
        return {"n_in": self.n_in, "n_out": self.n_out, **arrays}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AxisOperator:
        """Rebuild an operator from `to_dict`'s values."""
        rows, columns = (np.asarray(data[k], dtype=np.int64) for k in ("rows", "columns"))
        weights = np.asarray(data["weights"], dtype=np.float64)
        return cls(int(data["n_in"]), int(data["n_out"]), rows, columns, weights)


def _few(values: Values) -> ClassValues:
    """Return values along an axis, each that is found once."""
    classes = AxisClasses.of(values)
    return ClassValues.of_classes(values[classes.first], (classes,))
