"""Sparse: edges listed one by one, for operations without a closed form of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import BlockSums, Sums
from cntgraph.network.blocks.csr import Starts, fill_from_csr
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.row_column_sums import row_column_sums
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform, apply_transform

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Sparse(Block):
    """Edges given by their positions, with weights from a recipe.

    Parameters
    ----------
    indptr : ndarray of int64, shape (source.size + 1,)
        Where the edges of each source position begin.
    indices : ndarray of int64, shape (n_edges,)
        Target position of each edge, ascending within a row; a pair may stand twice.
    weight : Recipe
        Weight of each edge, shape (n_edges,).

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.view import View
    >>> w = Recipe.of(Parameter.from_array("w", np.array([1.0, 2.0, 3.0])))
    >>> block = Sparse(name="local", source=View((2,), 0), target=View((2,), 2), weight=w,
    ...                indptr=np.array([0, 2, 3]), indices=np.array([0, 1, 1]))
    >>> block.to_csr().toarray()
    array([[1., 2.],
           [0., 3.]])
    """

    kind: ClassVar[str] = "sparse"

    weight: Recipe
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    parametric: bool = True

    def __post_init__(self) -> None:
        n = len(self.indices)
        self._check(self.weight.shape == (n,), f"a weight of shape ({n},)")
        self._check(
            len(self.indptr) == self.source.size + 1, "one indptr entry per source position"
        )
        bounds = n == 0 or (self.indices.min() >= 0 and self.indices.max() < self.target.size)
        self._check(bool(bounds), "target positions within the target")
        steps = np.diff(self.indptr)
        whole = self.indptr[0] == 0 and self.indptr[-1] == n and bool((steps >= 0).all())
        self._check(whole, "an ascending indptr from 0 to the number of edges")

    @classmethod
    def without_edges(cls, name: str, target: View, bias: Recipe) -> Sparse:
        """Return a block that only gives its target nodes a bias: learned constants.

        Parameters
        ----------
        name : str
            Name of the block.
        target : View
            The nodes.
        bias : Recipe
            Their values; broadcasts against ``target.shape``.

        Returns
        -------
        Sparse
        """
        none = np.zeros(0, dtype=np.int64)
        weight = Recipe.constant(np.zeros(0))
        return cls(name=name, source=View((0,)), target=target, weight=weight, bias=bias,
                   indptr=np.zeros(1, dtype=np.int64), indices=none)  # fmt: skip

    def _matrix(self, transform: Transform) -> csr_array:
        from scipy.sparse import csr_array

        counting = transform == "count"
        stored = np.ones(len(self.indices)) if counting else self.weight.read()
        values = apply_transform(stored, transform)
        return csr_array((values, self.indices, self.indptr), shape=self.shape)

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> BlockSums:
        sums = {}
        for transform in transforms:
            matrix = self._matrix(transform)
            row, column = np.ones(self.target.size), np.ones(self.source.size)
            sums[transform] = Sums(matrix @ row, matrix.T @ column)
        found = WeightStatistics()
        if statistics:
            _, found = row_column_sums(self.weight.reshape((-1, 1)), (), statistics=statistics)
        return BlockSums(sums, found)

    def _apply(self, x: Values, transform: Transform) -> Values:
        return np.asarray(self._matrix(transform) @ x)

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        return np.asarray(self._matrix(transform).T @ z)

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        matrix = self._matrix("signed")
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()  # a copy: the block's own stay as they are
        fill_from_csr(matrix, starts, column, indices, data)

    def geometry(self) -> dict[str, Any]:
        """Return the positions of the edges."""
        return {"indptr": self.indptr, "indices": self.indices, "parametric": self.parametric}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Sparse:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        indptr, indices = (np.asarray(geometry[k], dtype=np.int64) for k in ("indptr", "indices"))
        parametric = bool(geometry["parametric"])
        return cls(indptr=indptr, indices=indices, parametric=parametric, **common)
