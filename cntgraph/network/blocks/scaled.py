"""Scaled: the edges of another block, those of each source position times a factor of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from cntgraph.core.errors import CntGraphError, ParameterError
from cntgraph.core.memory import check_memory
from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import BlockSums, Sums
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.csr import Starts, fill_from_csr
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.pool import Pool
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform, apply_transform

#: The kinds of block that can be scaled; others have a recipe that takes the factors in.
_KINDS: dict[str, type[Block]] = {kind.kind: kind for kind in (Conv, Pool)}
#: The transform of |w| that each transform of a weight is.
_OF_SIZE: dict[Transform, Transform] = {"signed": "absolute", "positive": "absolute"}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Scaled(Block):
    """The edges of a block, diag(r) A with A its matrix: its sums and products follow from A's.

    Its weights are of its edges, not of what is stored, which is why it has no recipe.

    Parameters
    ----------
    of : Block
        A convolution or a pooling, whose views it has.
    factors : ndarray of float64, shape (source.size,)
        One per source position.
    absolute : bool, default False
        Whether A is taken without its signs.

    Examples
    --------
    >>> from cntgraph.core.view import View
    >>> from cntgraph.network.blocks import AxisOperator
    >>> pool = Pool(name="pool", source=View((1, 4), 0), target=View((1, 2), 4), mode="average",
    ...             operators=(AxisOperator.adaptive(4, 2),))
    >>> block = Scaled.of_block(pool, np.array([1.0, 3.0, -2.0, 0.0]))
    >>> block.to_csr().toarray()
    array([[ 0.5,  0. ],
           [ 1.5,  0. ],
           [ 0. , -1. ],
           [ 0. ,  0. ]])
    """

    kind: ClassVar[str] = "scaled"

    of: Block
    factors: Values
    absolute: bool = False

    def __post_init__(self) -> None:
        if self.of.kind not in _KINDS:
            raise ParameterError(f"block {self.name!r}: a {self.of.kind} block is not to be scaled")
        fits = self.factors.shape == (self.of.source.size,) and self.of.shape == self.shape
        self._check(fits, "one factor per source position")

    @classmethod
    def of_block(cls, block: Block, factors: Values, *, absolute: bool = False) -> Scaled:
        """Return the edges of a block, those of each source position times a factor."""
        factors = np.ascontiguousarray(factors, dtype=np.float64)
        return cls(name=block.name, source=block.source, target=block.target, bias=block.bias,
                   parametric=block.parametric, modulatory=block.modulatory, of=block,
                   factors=factors, absolute=absolute)  # fmt: skip

    # -- sums and products --------------------------------------------------------------------

    def _parts(self, transform: Transform) -> list[tuple[Values, Transform]]:
        """Return factors g and transforms h with f(r a) = Σ g(r) h(a)."""
        r, of = self.factors, _OF_SIZE if self.absolute else {}
        if transform in ("signed", "absolute", "square", "fourth"):
            return [(apply_transform(r, transform), of.get(transform, transform))]
        if transform == "count":
            return [(np.ones(len(r)), "count")]
        up, down = np.maximum(r, 0.0), np.minimum(r, 0.0)
        if self.absolute:
            return [(up if transform == "positive" else down, "absolute")]
        if transform == "positive":
            return [(up, "positive"), (down, "negative")]
        return [(up, "negative"), (down, "positive")]

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> BlockSums:
        wanted = {part for t in transforms for _, part in self._parts(t)}
        rows = {t: own.row for t, own in self.of.sums(*sorted(wanted)).items()}
        sums = {}
        for transform in transforms:
            parts = self._parts(transform)
            row = sum(factors * rows[part] for factors, part in parts)
            column = sum(self.of.rmatvec(factors, part) for factors, part in parts)
            sums[transform] = Sums(np.asarray(row), np.asarray(column))
        found = WeightStatistics()
        if statistics:
            found = WeightStatistics.of(self._matrix().data, bins=statistics)
        return BlockSums(sums, found)

    def _apply(self, x: Values, transform: Transform) -> Values:
        found = (_times(own, self.of.matvec(x, part)) for own, part in self._parts(transform))
        return np.asarray(sum(found))

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        found = (self.of.rmatvec(_times(own, z), part) for own, part in self._parts(transform))
        return np.asarray(sum(found))

    @property
    def _n_edges(self) -> int:
        """Number of edges."""
        return self.of.n_edges

    # -- explicit edges -------------------------------------------------------------------------

    def _matrix(self) -> Any:
        check_memory(20 * self.n_edges, f"the {self.n_edges:,} edges of {self.name!r}")
        matrix = self.of.to_csr()
        data = np.abs(matrix.data) if self.absolute else matrix.data
        matrix.data = data * np.repeat(self.factors, np.diff(matrix.indptr))
        return matrix

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        fill_from_csr(self._matrix(), starts, column, indices, data)

    # -- as data --------------------------------------------------------------------------------

    def parameters(self) -> list[Parameter]:
        """Return the parameters of the block that it scales."""
        return self.of.parameters()

    def bind(self, parameters: Mapping[str, Parameter]) -> Block:
        """Return the same factors on the block that reads other parameters."""
        of = self.of.bind(parameters)
        return replace(self, of=of, bias=None if self.bias is None else of.bias)

    def geometry(self) -> dict[str, Any]:
        """Refuse: such a block is made of data, and is not stored."""
        raise CntGraphError(
            f"block {self.name!r} is weighted by data and cannot be saved; save the network, and "
            "weigh it again, or write its graph (cg.write_graphml, cg.write_csv)"
        )

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Scaled:
        """Refuse, as `geometry` does."""
        raise CntGraphError("blocks that are weighted by data are not stored")


def _times(factors: Values, values: Values) -> Values:
    return (factors * values.T).T
