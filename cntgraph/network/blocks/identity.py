"""Identity: edges of weight one, from each source position to the target of the same rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import ClassSums
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.csr import Starts
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Identity(Block):
    """The structural edges of a skip connection: a value handed on unchanged.

    Re-indexing (a permuted, cropped or concatenated source) is in the views.

    Examples
    --------
    >>> from cntgraph.core.view import View
    >>> block = Identity(name="skip", source=View.of(np.array([1, -1, 0])), target=View((3,), 2))
    >>> block.sums("signed")["signed"].column
    array([1., 0., 1.])
    """

    kind: ClassVar[str] = "identity"

    parametric: bool = False

    def __post_init__(self) -> None:
        self._check(self.source.size == self.target.size, "as many targets as sources")

    @property
    def _n_edges(self) -> int:
        """Number of edges."""
        return self.source.n_nodes

    @property
    def dtype(self) -> np.dtype[Any]:
        """One is exact in float32."""
        return np.dtype(np.float32)

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> ClassSums:
        sums = {t: self._sides(_one(t)) for t in transforms}
        found = WeightStatistics.of(np.ones(self.source.size)) if statistics else WeightStatistics()
        return ClassSums(sums, found)

    def _sides(self, value: float) -> Sides:
        one = np.array(value)
        shapes = (self.source.shape, self.target.shape)
        return Sides(*(ClassValues.of_broadcast(one, shape) for shape in shapes))

    def _apply(self, x: Values, transform: Transform) -> Values:
        return _one(transform) * x

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        return _one(transform) * z

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        kept = starts >= 0
        indices[starts[kept]] = column + np.flatnonzero(kept)
        data[starts[kept]] = 1.0

    def geometry(self) -> dict[str, Any]:
        """Return whether its edges only modulate: the views say the rest."""
        return {"modulatory": self.modulatory}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Identity:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        return cls(modulatory=bool(geometry["modulatory"]), **common)


def _one(transform: Transform) -> float:
    return 0.0 if transform == "negative" else 1.0
