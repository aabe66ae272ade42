"""Diagonal: one edge from each source position to the target position of the same rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block, broadcasts
from cntgraph.network.blocks.block_sums import ClassSums
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.csr import Starts
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.blocks.weight_uses import Ends, WeightUses


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Diagonal(Block):
    """The edges of an elementwise scaling y = w ⊙ x + b, such as a normalization that is kept.

    Parameters
    ----------
    weight : Recipe
        Broadcasts against ``target.shape``; a normalization has one value per channel.

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.view import View
    >>> gain = Recipe.of(Parameter.from_array("gain", np.array([[2.0], [3.0]])))
    >>> block = Diagonal(name="norm", source=View((2, 2), 0), target=View((2, 2), 4), weight=gain)
    >>> block.to_csr().diagonal()
    array([2., 2., 3., 3.])
    """

    kind: ClassVar[str] = "diagonal"

    weight: Recipe
    parametric: bool = True

    def __post_init__(self) -> None:
        self._check(self.source.size == self.target.size, "as many targets as sources")
        fits = broadcasts(self.weight.shape, self.target.shape)
        self._check(fits, "a weight that broadcasts against the target")

    @property
    def _n_edges(self) -> int:
        """Number of edges."""
        return self.source.n_nodes

    def _values(self) -> Array:
        return np.broadcast_to(self.weight.read(), self.target.shape).reshape(-1)

    def _transformed(self, transform: Transform) -> Values:
        if transform == "count":
            return np.ones(self.target.size)
        return apply_transform(self._values(), transform)

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> ClassSums:
        sums = {}
        for transform in transforms:
            stored = np.ones(()) if transform == "count" else self.weight.read()
            values = apply_transform(stored, transform)
            column = ClassValues.of_broadcast(values, self.target.shape)
            sums[transform] = Sides(column.reshaped(self.source.shape), column)
        found = WeightStatistics()
        if statistics:
            found = WeightStatistics.of(self.weight.read(), bins=statistics)
        return ClassSums(sums, found)

    def _weight_uses(self, ends: Ends) -> WeightUses:
        """Return how often the nodes of a layer meet each weight, which is broadcast to them."""
        begin, end = ends.of_block(self.source, self.target)
        if (begin and end) or self.source.mask is not None:
            return super()._weight_uses(ends)
        if not (begin or end):
            return WeightUses()
        view = self.target if end else self.source
        return WeightUses.of_broadcast(self.weight.shape, self.target.shape, view, ends.nodes)

    def _apply(self, x: Values, transform: Transform) -> Values:
        return (self._transformed(transform) * x.T).T

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        return (self._transformed(transform) * z.T).T

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        kept = starts >= 0
        indices[starts[kept]] = column + np.flatnonzero(kept)
        data[starts[kept]] = self._values()[kept]

    def geometry(self) -> dict[str, Any]:
        """Return whether its weights are learned: views and recipe say the rest."""
        return {"parametric": self.parametric}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Diagonal:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        return cls(parametric=bool(geometry["parametric"]), **common)
