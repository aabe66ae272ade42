"""Identity: edges of weight one, from each source position to the target of the same rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block, BlockSums, Sums
from cntgraph.network.blocks.csr import as_columns
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.sparse import Sparse
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.coarsening.grouping import Grouping, Kernel
from cntgraph.network.coarsening.merging import distinct, in_target_order, merged_bias, paired
from cntgraph.network.coarsening.structural import added_up


@dataclass(frozen=True, eq=False, kw_only=True)
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
    def n_edges(self) -> int:
        """Number of edges."""
        return self.source.n_nodes

    @property
    def dtype(self) -> np.dtype[Any]:
        """One is exact in float32."""
        return np.dtype(np.float32)

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> BlockSums:
        sums = {t: Sums(*2 * (np.full(self.source.size, _one(t)),)) for t in transforms}
        found = WeightStatistics.of(np.ones(self.source.size)) if statistics else WeightStatistics()
        return BlockSums(sums, found)

    def _apply(self, x: Values, transform: Transform) -> Values:
        return _one(transform) * x

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        return _one(transform) * z

    def fill(
        self,
        starts: NDArray[np.int64],
        columns: NDArray[np.int64] | int,
        indices: Array,
        data: Array,
    ) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        kept = starts >= 0
        indices[starts[kept]] = as_columns(columns, self.target.size)[kept]
        data[starts[kept]] = 1.0

    def by_channel(self, source: Grouping, target: Grouping, kernel: Kernel) -> Block:
        """Hand every channel on to those it reaches (see `Block.by_channel`)."""
        sources, targets, _ = paired(source, target, np.zeros((), dtype=np.int64))
        kept = sources >= 0
        (starts, ends), _ = distinct(sources[kept], targets[kept])
        return self._between(starts, ends, np.ones(len(starts)), target)

    def by_layer(self, source: Grouping, target: Grouping, kernel: Kernel) -> Block:
        """Add up the channels that are handed on (see `Block.by_layer`); 1 where they modulate."""
        return self._between(*added_up(self, source, target, kernel), target)

    def _between(self, starts: Ids, ends: Ids, weights: Values, target: Grouping) -> Block:
        order = in_target_order(ends, target.nodes)
        if order is None or (weights != 1.0).any():
            return Sparse.between(starts, ends, Recipe.constant(weights), self, target)
        bias = merged_bias(self.bias, target, ends[order])
        return replace(self, source=View.of(starts[order]), target=View.of(ends[order]), bias=bias)

    def geometry(self) -> dict[str, Any]:
        """Return whether its edges only modulate: the views say the rest."""
        return {"modulatory": self.modulatory}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Identity:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        return cls(modulatory=bool(geometry["modulatory"]), **common)


def _one(transform: Transform) -> float:
    return 0.0 if transform == "negative" else 1.0
