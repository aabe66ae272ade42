"""Rows: the edges out of some nodes, as they lie in the adjacency of a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.graph.graph import Graph
from cntgraph.graph.row_pieces import row_pieces
from cntgraph.measures.matrix_free.part import Part
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, apply_transform, transform_code

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of sign · f(A), whose weights are read where they lie for each product.

    Parameters
    ----------
    graph : Graph
    nodes : slice
        The nodes that the edges leave.
    target : View
        The nodes that they may lead to, ascending.
    transform : str
    sign : float
    counted : ndarray of bool, shape (n_blocks,) or (0,)
        The blocks whose edges are meant; empty for all.
    """

    graph: Graph
    nodes: slice
    target: View
    transform: Transform
    sign: float
    counted: NDArray[np.bool_]

    def part(self, name: str, n_edges: int, *, parametric: bool) -> Part:
        """Return them as a part."""
        n = self.nodes.stop - self.nodes.start
        return Part(
            name=name, source=View((n,), self.nodes.start), target=self.target,
            parametric=parametric, n_edges=n_edges, product=self._product,
            transposed=lambda z: self._transposed(z, self.transform, self.sign),
            links=lambda z: self._transposed(z, "count", 1.0), matrix=self._matrix,
        )  # fmt: skip

    # -- products -------------------------------------------------------------------------------

    def _product(self, x: Values) -> Values:
        return _by_column(self._of_vector, x)

    def _of_vector(self, x: Values) -> Values:
        from cntgraph.core.kernels.csr_products import add_row_products

        low, values = self._spread(x)
        out = np.zeros(self.nodes.stop - self.nodes.start)

        def work(rows: tuple[int, int]) -> None:
            here = out[rows[0] - self.nodes.start : rows[1] - self.nodes.start]
            add_row_products(*self._edges(rows, self.transform), low, values, here)

        self._run(work)
        return self.sign * out

    def _transposed(self, z: Values, transform: Transform, sign: float) -> Values:
        return _by_column(lambda own: self._to_targets(own, transform, sign), z)

    def _to_targets(self, z: Values, transform: Transform, sign: float) -> Values:
        from cntgraph.core.kernels.csr_products import add_column_products
        from cntgraph.core.kernels.csr_sums import column_span

        first, last = self.target.span()
        total = np.zeros(last - first)
        matrix = self.graph.adjacency

        def work(rows: tuple[int, int]) -> tuple[slice, Values]:
            low, high = column_span(read_only(matrix.indptr), read_only(matrix.indices), rows)
            own = np.zeros(high - low)
            here = z[rows[0] - self.nodes.start : rows[1] - self.nodes.start]
            add_column_products(*self._edges(rows, transform), low, here, own)
            # Edges that do not count may lead beyond what those that do reach.
            inside = slice(max(low, first), max(min(high, last), max(low, first)))
            return inside, own[inside.start - low : inside.stop - low]

        for here, own in self._run(work):
            total[here.start - first : here.stop - first] += own
        found = total if self.target.ids is None else total[self.target.ids - first]
        return sign * found

    def _edges(self, rows: tuple[int, int], transform: Transform) -> tuple[Any, ...]:
        matrix = self.graph.adjacency
        edges = matrix.indptr, matrix.indices, matrix.data, self.graph.edge_block
        *arrays, marks = map(read_only, edges)
        return (*arrays, rows, transform_code(transform), self.counted, marks)

    def _spread(self, x: Values) -> tuple[int, Values]:
        """Return values at all columns that any edge of the rows leads to, and the first of them.

        Of edges that do not count, the weight is taken for zero, and whatever stands there is too.
        """
        first, last = self._span
        values = np.zeros(last - first)
        values[self.target.as_ids() - first] = x
        return first, values

    @cached_property
    def _span(self) -> tuple[int, int]:
        from cntgraph.core.kernels.csr_sums import column_span

        matrix = self.graph.adjacency
        first, last = self.target.span()
        rows = (self.nodes.start, self.nodes.stop)
        low, high = column_span(read_only(matrix.indptr), read_only(matrix.indices), rows)
        return min(first, int(low)), max(last, int(high))

    def _run(self, work: Callable[[tuple[int, int]], Any]) -> list[Any]:
        pieces = row_pieces(self.graph.adjacency.indptr, self.nodes.start, self.nodes.stop)
        return list(ordered_map(work, pieces, threads=1 if len(pieces) == 1 else None))

    # -- explicit -------------------------------------------------------------------------------

    def _matrix(self) -> csr_array:
        """Return the matrix itself, by the positions of the views."""
        old = self.graph.adjacency[self.nodes]
        here = slice(*(int(self.graph.adjacency.indptr[k]) for k in
                       (self.nodes.start, self.nodes.stop)))  # fmt: skip
        columns = self.target.as_ids()
        place = np.zeros(old.shape[1], dtype=old.indices.dtype)
        place[columns] = np.arange(len(columns))
        data, indices, indptr = old.data, old.indices, old.indptr
        if self.counted.size:
            kept = self.counted[self.graph.edge_block[here]]
            before = np.concatenate([[0], np.cumsum(kept)])
            data, indices, indptr = data[kept], indices[kept], before[indptr]
        weights = self.sign * apply_transform(data, self.transform)
        return csr_of(weights, place[indices], indptr, (old.shape[0], len(columns)))


def _by_column(product: Callable[[Values], Values], x: Values) -> Values:
    """Return the product with a vector, or with each column of a matrix."""
    if x.ndim == 1:
        return product(np.ascontiguousarray(x, dtype=np.float64))
    columns = [product(np.ascontiguousarray(x[:, k], dtype=np.float64)) for k in range(x.shape[1])]
    return np.stack(columns, axis=1)
