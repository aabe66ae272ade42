"""Pool: the edges of a pooling, channel by channel, a product of one operator per axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import ClassSums
from cntgraph.network.blocks.class_values import ClassValues, Sides, joint
from cntgraph.network.blocks.csr import Starts, fill_from_csr, fill_threads
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform

if TYPE_CHECKING:
    from scipy.sparse import csr_array


#: What a pooling does. The largest or smallest candidate and a sum have weights of one; an
#: average divides by the number of values; ``"linear"`` interpolates between positions or weighs
#: them by constants; ``"attention"`` passes features on to positions, uniformly; a ``"choice"``
#: is one or some of the candidates, which only the data say, with weights of one;
#: ``"modulation"`` only changes what other edges carry.
PoolMode = Literal["max", "min", "average", "sum", "linear", "attention", "choice", "modulation"]

#: A and |A| added up, with a factor for |A|, are twice the weights of one sign.
_SIGNS: dict[Transform, float] = {"positive": 1.0, "negative": -1.0}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Pool(Block):
    """The structural edges of what combines positions, channel by channel.

    A = I ⊗ P₁ ⊗ P₂ ⊗ …, with I over the channels and Pₐ the operator of axis a. Average pooling
    has weight 1 / window, max pooling 1 for each candidate. Sums of f(A) are products of the
    operators' sums, since f(xy) = f(x) f(y); but for the positive and the negative weights, which
    are (A ± |A|) / 2.

    Parameters
    ----------
    operators : tuple of AxisOperator
        One a spatial axis.
    mode : {"max", "min", "average", "sum", "linear", "attention", "choice",
        "modulation"}
        What it does: see `PoolMode`.

    Examples
    --------
    >>> from cntgraph.core.view import View
    >>> block = Pool(name="pool", source=View((1, 4), 0), target=View((1, 2), 4), mode="average",
    ...              operators=(AxisOperator.adaptive(4, 2),))
    >>> block.to_csr().toarray()
    array([[0.5, 0. ],
           [0.5, 0. ],
           [0. , 0.5],
           [0. , 0.5]])
    """

    kind: ClassVar[str] = "pool"

    operators: tuple[AxisOperator, ...]
    mode: PoolMode
    parametric: bool = False

    def __post_init__(self) -> None:
        modes = get_args(PoolMode)
        self._check(self.mode in modes, f"a mode out of {', '.join(modes)}, not {self.mode!r}")
        n_in, n_out = (tuple(getattr(s, k) for s in self.operators) for k in ("n_in", "n_out"))
        self._check(self.source.shape[1:] == n_in, f"a source of shape (channels, *{n_in})")
        expected = (self.source.shape[0], *n_out)
        self._check(self.target.shape == expected, f"a target of shape {expected}")

    @property
    def _n_edges(self) -> int:
        """Number of edges: one a candidate of each window."""
        if self.source.mask is None:
            return self.source.shape[0] * prod(len(s.edges.rows) for s in self.operators)
        degrees = [np.bincount(s.edges.rows, minlength=s.n_in) for s in self.operators]
        from_each = reduce(np.multiply.outer, degrees, np.ones((), dtype=np.int64)).reshape(-1)
        nodes = self.source.mask.reshape(self.source.shape[0], from_each.size).sum(axis=0)
        return int(nodes @ from_each)

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> ClassSums:
        found = WeightStatistics.of(self._plane().data) if statistics else WeightStatistics()
        return ClassSums({t: self._sums_of(t) for t in transforms}, found)

    def _sums_of(self, transform: Transform) -> Sides:
        if transform in _SIGNS:
            signed, absolute = self._sums_of("signed"), self._sums_of("absolute")
            factor = _SIGNS[transform]
            halves = (
                joint([one.times(0.5), size.times(factor / 2)])
                for one, size in zip(signed, absolute, strict=True)
            )
            return Sides(*halves)
        found = [operator.sums(transform) for operator in self.operators]
        channels = ClassValues.of_broadcast(np.ones(()), self.source.shape[:1])
        return Sides(
            reduce(ClassValues.outer, (sums.row for sums in found), channels),
            reduce(ClassValues.outer, (sums.column for sums in found), channels),
        )

    def _apply(self, x: Values, transform: Transform) -> Values:
        return self._along_axes(x, self.target.shape, transform, transposed=False)

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        return self._along_axes(z, self.source.shape, transform, transposed=True)

    def _along_axes(
        self, values: Values, shape: tuple[int, ...], transform: Transform, *, transposed: bool
    ) -> Values:
        if transform in _SIGNS:
            signed = self._along_axes(values, shape, "signed", transposed=transposed)
            absolute = self._along_axes(values, shape, "absolute", transposed=transposed)
            return (signed + _SIGNS[transform] * absolute) / 2
        result = values.reshape(*shape, *values.shape[1:])
        for axis, operator in enumerate(self.operators, start=1):
            matrix = operator.transformed(transform)
            moved = np.moveaxis(result, axis, 0)
            flat = moved.reshape(moved.shape[0], prod(moved.shape[1:]))
            product = (matrix.T if transposed else matrix) @ flat
            result = np.moveaxis(product.reshape(len(product), *moved.shape[1:]), 0, axis)
        return np.ascontiguousarray(result).reshape(-1, *values.shape[1:])

    def extremes(self, values: Values) -> Values:
        """Return the largest candidate of each target; of a ``"min"`` pooling, the smallest.

        Parameters
        ----------
        values : ndarray of float64, shape (source.size, n)
            At each source position; those without a node are no candidates.

        Returns
        -------
        ndarray of float64, shape (target.size, n)
        """
        pick, least = (np.minimum, np.inf) if self.mode == "min" else (np.maximum, -np.inf)
        mask = self.source.mask
        found = values if mask is None else np.where(mask[:, None], values, least)
        found = found.reshape(*self.source.shape, -1)
        for axis, operator in enumerate(self.operators, start=1):
            order = np.argsort(operator.columns, kind="stable")
            starts = np.searchsorted(operator.columns[order], np.arange(operator.n_out))
            candidates = np.take(found, operator.rows[order], axis=axis)
            found = pick.reduceat(candidates, starts, axis=axis)
        return found.reshape(self.target.size, -1)

    def _plane(self) -> csr_array:
        """Return the edges of one channel, as a matrix."""
        from scipy.sparse import csr_array, kron

        # A product by [[1]] would be several copies of a long axis.
        axes = [operator.matrix for operator in self.operators] or [csr_array(np.ones((1, 1)))]
        return csr_array(reduce(lambda a, b: kron(a, b, format="csr"), axes))

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        plane = self._plane()
        plane.sort_indices()
        n_in, n_out = plane.shape

        def work(channel: int) -> None:
            own = starts[channel * n_in : (channel + 1) * n_in]
            fill_from_csr(plane, own, column + channel * n_out, indices, data)

        for _ in ordered_map(work, range(self.source.shape[0]), threads=fill_threads(indices)):
            pass

    def geometry(self) -> dict[str, Any]:
        """Return the operators and the mode."""
        return {"mode": self.mode, "stencils": [operator.to_dict() for operator in self.operators]}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Pool:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        operators = tuple(AxisOperator.from_dict(operator) for operator in geometry["stencils"])
        return cls(operators=operators, mode=geometry["mode"], **common)
