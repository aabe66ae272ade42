"""Block: all edges of one operation, an operator that knows its sums in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.memory import check_memory
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.pruned import kept, pruned_by
from cntgraph.core.types import Array, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.block_sums import BlockSums, ClassSums, Sums
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.csr import Starts, csr_of, index_dtype
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.pruned import fill_kept, statistics_of_kept
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.blocks.weight_uses import CarriedWeights, Ends, WeightUses

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Block(ABC):
    """All edges of one operation, from a view of nodes to (part of) one layer.

    Its matrix A has one row per position of `source` and one column per position of `target`.
    Rows at positions without a node (-1, padding) are empty.

    Parameters
    ----------
    name : str
        Name of the operation, unique in a network.
    source, target : View
        The nodes it reads and the nodes it writes.
    weight : Recipe or None
        How its weights are computed from parameters; None where they follow from the geometry.
    bias : Recipe or None
        What it adds to its target nodes; broadcasts against ``target.shape``.
    parametric : bool
        Whether its weights are learned. Structural edges (pooling, identity) are not.
    modulatory : bool, default False
        Whether its edges only modulate (gates, attention scores).

    Notes
    -----
    With f a transform of the weights and m the 0/1 mask of the source positions that are
    nodes, column sums are f(A)ᵀ m and row sums are f(A) 1. What a kind provides knows of no
    pruning: weights that a mask takes out (`core.recipe.pruned`) are zeros to it, and no edges to
    whoever asks a block. A third party adds a kind of block
    by a subclass and an entry point in the group ``cntgraph.blocks``; what it is between channels,
    by ``cntgraph.network.coarsening.between_channels.register``.
    """

    kind: ClassVar[str]

    name: str
    source: View
    target: View
    weight: Recipe | None = None
    bias: Recipe | None = None
    parametric: bool
    modulatory: bool = False

    def __repr__(self) -> str:
        weight = f", weight {self.weight.shape}" if self.weight is not None else ""
        learned = "" if self.parametric else ", not learned"
        ends = f"{self.source.shape} → {self.target.shape}"
        return f"<{type(self).__name__} {self.name!r}: {ends}{weight}{learned}>"

    # -- what a kind of block provides, for a source without padding -------------------------

    @abstractmethod
    def _sums(
        self, transforms: tuple[Transform, ...], statistics: bool | Bins
    ) -> BlockSums | ClassSums:
        """Sum f(A) by rows and columns, for every transform, in one pass over the weights.

        `BlockSums` has a value for every position, `ClassSums` one for all that are alike.
        """

    @abstractmethod
    def _apply(self, x: Values, transform: Transform) -> Values:
        """Return f(A) x, x of shape (target.size,) or (target.size, n): one column or several."""

    @abstractmethod
    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        """Return f(A)ᵀ z, z of shape (source.size,) or (source.size, n)."""

    @abstractmethod
    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix.

        Parameters
        ----------
        starts : ndarray of int64, shape (source.size,)
            Where each row's edges begin; negative where the row is left out.
        column : int
            The column of the first target position; the others follow.
        indices, data : ndarray
            The arrays to write to.

        Notes
        -----
        Of each row, edges come in the order of their target positions.
        """

    @abstractmethod
    def geometry(self) -> dict[str, Any]:
        """Return what describes the block besides views and recipes: JSON values and arrays."""

    @classmethod
    @abstractmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Block:
        """Rebuild the block from `geometry` and the fields common to all blocks."""

    # -- what every block offers ---------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Positions of the source, positions of the target."""
        return self.source.size, self.target.size

    @property
    def n_edges(self) -> int:
        """Number of edges: one whose weight is zero is an edge, one that is pruned is none."""
        return self._n_edges if self.kept is None else self._n_counted

    @property
    def _n_edges(self) -> int:
        """Number of edges, were none pruned; a kind that has it in closed form overrides this."""
        return self._n_counted

    @property
    def _n_counted(self) -> int:
        return int(self.sums("count")["count"].column.sum())

    @cached_property
    def kept(self) -> Block | None:
        """The same block with a one for each of its edges and zero for each that is pruned.

        None where nothing is pruned.
        """
        mask = None if self.weight is None else kept(self.weight)
        return None if mask is None else replace(self, weight=mask, bias=None)

    def _sums_of_kept(
        self, transforms: tuple[Transform, ...], statistics: bool | Bins
    ) -> BlockSums | ClassSums:
        """Return what `_sums` does, pruned edges neither counted nor among the statistics."""
        if self.weight is None or self.kept is None or self.kept.weight is None:
            return self._sums(transforms, statistics)
        found = self._sums(tuple(t for t in transforms if t != "count"), False)
        sums: dict[Transform, Any] = dict(found.sums)
        if "count" in transforms:
            sums["count"] = self.kept._sums(("signed",), False).sums["signed"]
        own = found.statistics
        if statistics:
            own = statistics_of_kept(self.weight, self.kept.weight, statistics)
        return type(found)(sums, own)

    def _pulled(self, x: Values, transform: Transform) -> Values:
        """Return what `_apply` does; pruned edges are not counted."""
        if transform == "count" and self.kept is not None:
            return self.kept._apply(x, "signed")
        return self._apply(x, transform)

    def _pushed(self, z: Values, transform: Transform) -> Values:
        """Return what `_apply_transposed` does; pruned edges are not counted."""
        if transform == "count" and self.kept is not None:
            return self.kept._apply_transposed(z, "signed")
        return self._apply_transposed(z, transform)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that holds its weights exactly: float32 or float64."""
        return np.dtype(np.float64) if self.weight is None else self.weight.dtype

    def sums_and_statistics(
        self, transforms: tuple[Transform, ...], *, statistics: bool | Bins = False
    ) -> BlockSums:
        """Return the sums under `transforms`, and the weights' statistics, in one pass.

        Parameters
        ----------
        transforms : tuple of str
            Any of signed, absolute, positive, negative, square, fourth, count.
        statistics : bool or Bins, default False
            Whether the statistics of the weights (as stored, not as unrolled) are wanted, and in
            which bins they are counted.

        Returns
        -------
        BlockSums

        Raises
        ------
        GraphSizeError
            If the sums do not fit into memory.
        """
        check_memory(8 * len(transforms) * sum(self.shape), f"adding up {max(self.shape):,} nodes")
        found = self._sums_of_kept(transforms, statistics)
        found = found.of_nodes() if isinstance(found, ClassSums) else found
        mask = self.source.mask
        if mask is None:
            return found
        nodes = mask.astype(np.float64)
        sums = {
            t: Sums(np.where(mask, s.row, 0.0), self._pushed(nodes, t))
            for t, s in found.sums.items()
        }
        return BlockSums(sums, found.statistics)

    def class_sums(
        self, transforms: tuple[Transform, ...], *, statistics: bool | Bins = False
    ) -> ClassSums:
        """Return what `sums_and_statistics` does, each value that many nodes share held once.

        Parameters
        ----------
        transforms, statistics
            As in `sums_and_statistics`.

        Returns
        -------
        ClassSums
            Rows of the shape of `source`, columns of that of `target`.
        """
        found: BlockSums | ClassSums
        if self.source.mask is None:
            found = self._sums_of_kept(transforms, statistics)
        else:
            found = self.sums_and_statistics(transforms, statistics=statistics)
        return found if isinstance(found, ClassSums) else self._classed(found)

    def _classed(self, found: BlockSums) -> ClassSums:
        sides = {
            t: Sides(
                ClassValues.of_nodes(sums.row, self.source.shape),
                ClassValues.of_nodes(sums.column, self.target.shape),
            )
            for t, sums in found.sums.items()
        }
        return ClassSums(sides, found.statistics)

    def sums(self, *transforms: Transform) -> dict[Transform, Sums]:
        """Return row and column sums of f(A), in float64, for every transform asked for.

        Parameters
        ----------
        *transforms : str
            Any of signed, absolute, positive, negative, square, fourth, count.

        Returns
        -------
        dict of str to Sums
        """
        return self.sums_and_statistics(transforms).sums

    def statistics(self) -> WeightStatistics:
        """Return the statistics of its weights, each stored weight counted once."""
        return self.sums_and_statistics((), statistics=True).statistics

    def weight_uses(self, ends: Ends) -> WeightUses:
        """Return how often the nodes of a layer meet each of its stored weights.

        Parameters
        ----------
        ends : Ends
            The nodes, and whether edges count where they end, begin, or both.

        Returns
        -------
        WeightUses

        Raises
        ------
        GraphSizeError
            If its edges are to be listed, and do not fit into memory.
        """
        if self.kept is None:
            return self._weight_uses(ends)
        return WeightUses.of_edges(self.carried_weights(), ends)

    def _weight_uses(self, ends: Ends) -> WeightUses:
        """Return the uses, were no edge pruned; a kind that knows them in closed form overrides it.

        Else every edge is listed.
        """
        return WeightUses.of_edges(self.carried_weights(), ends)

    def carried_weights(self) -> CarriedWeights:
        """Return its edges one by one, each with the number of the stored weight that it carries.

        Where weights follow from the geometry, each edge has its own.

        Raises
        ------
        GraphSizeError
            If they do not fit into memory.
        ParameterError
            If edges carry what is computed of the weights: such a kind overrides this.
        """
        check_memory(64 * self.n_edges, f"the {self.n_edges:,} edges of {self.name!r}")
        if self.weight is None:
            matrix = self.to_csr()
            return CarriedWeights.of(matrix, np.arange(matrix.nnz), self.source, self.target)
        shape = self.weight.shape
        numbers = Recipe.constant(np.arange(prod(shape)).reshape(shape))
        if self.kept is not None and self.kept.weight is not None:
            numbers = pruned_by(self.kept.weight, numbers)
        matrix = replace(self, weight=numbers).to_csr()
        found = matrix.data.astype(np.int64)
        known = (found == matrix.data) & (found >= 0) & (found < prod(shape))
        self._check(bool(known.all()), "every edge to carry one of the weights as it is stored")
        return CarriedWeights.of(matrix, found, self.source, self.target)

    def matvec(self, x: Array, transform: Transform = "signed") -> Values:
        """Return f(A) x: what the sources receive from values on the targets.

        Parameters
        ----------
        x : ndarray, shape (target.size,) or (target.size, n)
        transform : str, default "signed"
            What is taken of every weight: any of signed, absolute, positive, negative, square,
            fourth, count.

        Returns
        -------
        ndarray of float64, shape (source.size,) or (source.size, n)
        """
        return self._without_padding(self._pulled(_columns(x, self.target.size), transform))

    def rmatvec(self, z: Array, transform: Transform = "signed") -> Values:
        """Return f(A)ᵀ z: what the targets receive from values on the sources.

        Parameters
        ----------
        z : ndarray, shape (source.size,) or (source.size, n)
        transform : str, default "signed"
            As in `matvec`.

        Returns
        -------
        ndarray of float64, shape (target.size,) or (target.size, n)
        """
        values = self._without_padding(_columns(z, self.source.size))
        return self._pushed(values, transform)

    def _without_padding(self, values: Values) -> Values:
        """Return values by source position, zero where there is no node."""
        mask = self.source.mask
        if mask is None:
            return values
        return np.where(mask if values.ndim == 1 else mask[:, None], values, 0.0)

    def bias_values(self) -> Values:
        """Return the bias at every target position, shape (target.size,); zeros without one."""
        if self.bias is None:
            return np.zeros(self.target.size)
        bias = self.bias.read().astype(np.float64, copy=False)
        return np.broadcast_to(bias, self.target.shape).reshape(-1)

    def out_degrees(self) -> NDArray[np.int64]:
        """Return the number of edges that leave each source position."""
        return self.sums("count")["count"].row.astype(np.int64)

    def to_csr(self) -> csr_array:
        """Return the block's matrix with every edge stored, zeros that are not pruned included.

        Returns
        -------
        scipy.sparse.csr_array of shape ``shape``
        """
        degrees = self.out_degrees()
        indptr = np.concatenate([[0], np.cumsum(degrees)])
        indices = np.empty(indptr[-1], index_dtype(max(*self.shape, int(indptr[-1]))))
        data = np.empty(indptr[-1], self.dtype)
        mask = self.source.mask
        starts = indptr[:-1] if mask is None else np.where(mask, indptr[:-1], -1)
        self.write_edges(np.ascontiguousarray(starts), 0, indices, data)
        return csr_of(data, indices, indptr, self.shape)

    def write_edges(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row, as `fill` does, without those that are pruned."""
        if self.kept is None:
            self.fill(starts, column, indices, data)
            return
        counted = self._sums(("count",), False)
        counted = counted.of_nodes() if isinstance(counted, ClassSums) else counted
        degrees = counted.sums["count"].row.astype(np.int64)
        fill_kept((self.fill, self.kept.fill), degrees, starts, column, indices, data)

    def parameters(self) -> list[Parameter]:
        """Return the parameters its weight and bias are read from."""
        recipes = [recipe for recipe in (self.weight, self.bias) if recipe is not None]
        return [parameter for recipe in recipes for parameter in recipe.parameters()]

    def bind(self, parameters: Mapping[str, Parameter]) -> Block:
        """Return the same block reading its weights from another set of parameters."""
        weight = None if self.weight is None else self.weight.bind(parameters)
        bias = None if self.bias is None else self.bias.bind(parameters)
        return replace(self, weight=weight, bias=bias)

    def _check(self, condition: bool, expected: str) -> None:
        if not condition:
            weight = None if self.weight is None else self.weight.shape
            raise ParameterError(
                f"{self.kind} block {self.name!r}: expected {expected}; got weight {weight}, "
                f"source {self.source.shape}, target {self.target.shape}"
            )


def broadcasts(shape: tuple[int, ...], onto: tuple[int, ...]) -> bool:
    """Return whether a value of `shape` can be broadcast to the shape `onto`.

    Examples
    --------
    >>> broadcasts((3, 1), (2, 3, 4)), broadcasts((2,), (3,)), broadcasts((1, 3), (3,))
    (True, False, False)
    """
    pairs = zip(reversed(shape), reversed(onto), strict=False)
    return len(shape) <= len(onto) and all(ours in (1, theirs) for ours, theirs in pairs)


def _columns(values: Array, size: int) -> Values:
    """Return a vector, or a matrix whose columns are vectors of that size."""
    found = np.asarray(values, dtype=np.float64)
    found = found if found.ndim == 2 else found.reshape(-1)
    if len(found) != size:
        raise ParameterError(f"expected a vector of {size} values, got {len(found)}")
    return found
