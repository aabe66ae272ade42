"""Dense: every source position is connected to every target position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from cntgraph.core.compiling import read_only
from cntgraph.core.computing import spread
from cntgraph.core.parallel import ordered_map
from cntgraph.core.recipe import CHUNK_BYTES, Recipe
from cntgraph.core.recipe.products import products_apart
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import BlockSums, Sums
from cntgraph.network.blocks.csr import Starts, fill_threads
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.row_column_sums import row_column_sums
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.blocks.weight_uses import Ends, WeightUses

#: Outputs whose edges are written at once.
_ROWS = 128
#: Bytes of the weights of some inputs that are read at once: in runs that are worth a page each.
_SOURCES_BYTES = 16 * CHUNK_BYTES


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Dense(Block):
    """The edges of a fully connected operation y = W x + b.

    The weight has shape (target.size, source.size), as PyTorch stores it; A = Wᵀ. A matrix
    stored the other way round is given as a transposed recipe and is read as it lies.

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.view import View
    >>> w = Recipe.of(Parameter.from_array("w", np.array([[1.0, -2.0, 3.0], [0.0, 5.0, -6.0]])))
    >>> block = Dense(name="fc", source=View((3,), 0), target=View((2,), 3), weight=w)
    >>> block.sums("signed")["signed"]
    Sums(row=array([ 1.,  3., -3.]), column=array([ 2., -1.]))
    >>> block.n_edges
    6
    """

    kind: ClassVar[str] = "dense"

    weight: Recipe
    parametric: bool = True

    def __post_init__(self) -> None:
        expected = (self.target.size, self.source.size)
        self._check(self.weight.shape == expected, f"a weight of shape {expected}")

    @property
    def _n_edges(self) -> int:
        """Number of edges."""
        return self.target.size * self.source.n_nodes

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> BlockSums:
        found, statistics_ = row_column_sums(self.weight, transforms, statistics=statistics)
        sums = {t: Sums(own.column[0, :, 0], own.row[:, 0]) for t, own in found.items()}
        return BlockSums(sums, statistics_)

    def _weight_uses(self, ends: Ends) -> WeightUses:
        """Return how often the nodes of a layer meet each weight, which is one edge's."""
        begin, end = ends.of_block(self.source, self.target)
        n_begin = ends.count(self.source) if begin else 0
        n_end = ends.count(self.target) if end else 0
        loops = self._n_loops(ends) if begin and end else 0
        return WeightUses.of_single_edges(
            n_end * self.source.n_nodes, n_begin * self.target.size, n_begin * n_end, loops
        )

    def _n_loops(self, ends: Ends) -> int:
        """Return how many edges lead from one of some nodes to itself."""
        first, n = ends.nodes.start, ends.nodes.stop - ends.nodes.start
        both = (view.as_ids() for view in (self.source, self.target))
        shown = (np.bincount(ids[ends.meet(ids)] - first, minlength=n) for ids in both)
        return int(np.dot(*shown))

    def _apply(self, x: Values, transform: Transform) -> Values:
        if transform == "count":
            return np.repeat(x.sum(axis=0, keepdims=True), self.source.size, axis=0)
        apart = products_apart(self.weight) if transform == "signed" else None
        if apart is None:
            return _all_pulled(self.weight, x, transform)
        total = apart.transposed().times(x, self.source.size)
        return total if apart.rest is None else total + _all_pulled(apart.rest, x, transform)

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        if transform == "count":
            return np.repeat(z.sum(axis=0, keepdims=True), self.target.size, axis=0)
        apart = products_apart(self.weight) if transform == "signed" else None
        if apart is None:
            return _all_pushed(self.weight, z, transform)
        total = apart.times(z, self.target.size)
        return total if apart.rest is None else total + _all_pushed(apart.rest, z, transform)

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        from cntgraph.core.kernels.csr_rows import fill_dense

        few = self._few_sources(starts)
        if few:
            for first, last in few:
                part = read_only(np.ascontiguousarray(self.weight.read(1, first, last)))
                fill_dense(part, 0, starts[first:last], column, indices, data)
            return

        def work(bounds: tuple[int, int]) -> None:
            part = read_only(np.ascontiguousarray(self.weight.read(0, *bounds)))
            fill_dense(part, bounds[0], starts, column, indices, data)

        # So many outputs that what is written of a row at once is worth it.
        row = self.source.size * self.dtype.itemsize
        chunks = self.weight.chunks(max(CHUNK_BYTES, _ROWS * row))
        for _ in ordered_map(work, chunks, threads=fill_threads(indices)):
            pass

    def _few_sources(self, starts: Starts) -> list[tuple[int, int]]:
        """Return the parts of the sources that are written, if most of the weight can be left."""
        kept = np.flatnonzero(starts >= 0)
        if not kept.size or 2 * (kept[-1] + 1 - kept[0]) > self.source.size:
            return []
        parts = list(self.weight.chunks(_SOURCES_BYTES, axis=1))
        if len(parts) == 1:  # of a small weight; or they cannot be read by themselves
            return []
        first, last, step = int(kept[0]), int(kept[-1]) + 1, parts[0][1]
        return [(low, min(low + step, last)) for low in range(first, last, step)]

    def geometry(self) -> dict[str, Any]:
        """Return nothing: the views say all."""
        return {}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Dense:
        """Rebuild the block from the fields common to all blocks."""
        return cls(**common)


def _all_pulled(weight: Recipe, x: Values, transform: Transform) -> Values:
    """Return what the sources receive from the targets."""
    total = np.zeros((weight.shape[1], *x.shape[1:]))
    for part in spread(partial(_pulled, weight, x, transform), list(weight.chunks())):
        total += part
    return total


def _all_pushed(weight: Recipe, z: Values, transform: Transform) -> Values:
    """Return what the targets receive from the sources."""
    total, parts = np.zeros((weight.shape[0], *z.shape[1:])), list(weight.chunks())
    found = spread(partial(_pushed, weight, z, transform), parts)
    for rows, part in zip(parts, found, strict=True):
        total[slice(*rows)] = part
    return total


def _pulled(weight: Recipe, x: Values, transform: Transform, rows: tuple[int, int]) -> Values:
    """Return what the sources receive from some of the targets."""
    return apply_transform(weight.read(0, *rows), transform).T @ x[slice(*rows)]


def _pushed(weight: Recipe, z: Values, transform: Transform, rows: tuple[int, int]) -> Values:
    """Return what some of the targets receive from the sources."""
    return apply_transform(weight.read(0, *rows), transform) @ z
