"""Part: edges from a view of nodes to another that are known by their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cntgraph.core.types import Ids, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, apply_transform

if TYPE_CHECKING:
    from scipy.sparse import coo_array, csr_array


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the edges of a network, under a transform of their weights: a matrix M.

    Parameters
    ----------
    name : str
        For people to read.
    source, target : View
        The nodes of its rows, and those of its columns.
    parametric : bool
        Whether its weights are learned.
    n_edges : int
    product, transposed : callable
        M x and Mᵀ z, by the positions of the views.
    links : callable
        Mᵀ z with every weight one: how many edges lead to each target from where z is one.
    matrix : callable
        M itself, by the positions of the views, for those who may unroll it.
    """

    name: str
    source: View
    target: View
    parametric: bool
    n_edges: int
    product: Callable[[Values], Values]
    transposed: Callable[[Values], Values]
    links: Callable[[Values], Values]
    matrix: Callable[[], csr_array]

    @classmethod
    def of_block(cls, block: Block, transform: Transform, sign: float) -> Part:
        """Return sign · f(A) of a block."""

        def matrix() -> csr_array:
            found = block.to_csr()
            found.data = sign * apply_transform(found.data, transform)
            return found

        return cls(
            name=block.name,
            source=block.source,
            target=block.target,
            parametric=block.parametric,
            n_edges=block.n_edges,
            product=lambda x: sign * block.matvec(x, transform),
            transposed=lambda z: sign * block.rmatvec(z, transform),
            links=lambda z: block.rmatvec(z, "count"),
            matrix=matrix,
        )

    def pull(self, x: Values, into: Values) -> None:
        """Add what the sources receive from values `x` of the target's nodes."""
        self.source.scatter_add(into, self.product(self.target.gather(x)))

    def push(self, z: Values, into: Values, scale: Values | float = 1.0) -> None:
        """Add what the targets receive from values `z` of the source's nodes, times `scale`."""
        values = self.source.gather(z)
        if not values.any():
            return
        if isinstance(scale, np.ndarray):
            values = values * self.source.gather(scale)
        elif scale != 1.0:
            values = values * scale
        self.target.scatter_add(into, self.transposed(values))

    def divided(self, by: float) -> Part:
        """Return the part of weights divided by a number."""

        def matrix() -> csr_array:
            found = self.matrix()
            return csr_of(found.data / by, found.indices, found.indptr, found.shape)

        return replace(
            self,
            product=lambda x: self.product(x) / by,
            transposed=lambda z: self.transposed(z) / by,
            matrix=matrix,
        )

    def renumbered(self, rows: Ids, columns: Ids) -> Part:
        """Return the part between the nodes `rows` and `columns` (ascending), counted from 0."""
        return replace(
            self, source=_renumbered(self.source, rows), target=_renumbered(self.target, columns)
        )

    def unrolled(self, shape: tuple[int, int]) -> coo_array:
        """Return the matrix between nodes; pairs that are connected twice stand twice."""
        from scipy.sparse import coo_array

        own = self.matrix().tocoo()
        places = (self.source.as_ids()[own.row], self.target.as_ids()[own.col])
        return coo_array((own.data.astype(np.float64), places), shape=shape)


def _renumbered(view: View, nodes: Ids) -> View:
    if view.ids is None:
        first = int(np.searchsorted(nodes, view.start))
        return View(view.shape, first if view.size else 0)
    return View.of(np.where(view.ids < 0, -1, np.searchsorted(nodes, view.ids)), view.shape)


def nodes_of(views: list[View]) -> Ids:
    """Return the nodes that any of the views sees, ascending."""
    if len(views) == 1 and views[0].ids is None:
        return views[0].as_ids()
    seen = [view.as_ids() for view in views if view.size]
    ids = np.unique(np.concatenate(seen)) if seen else np.zeros(0, dtype=np.int64)
    return ids[ids >= 0]
