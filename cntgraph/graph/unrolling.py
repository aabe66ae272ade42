"""Unrolling: the edges of blocks, each written to its place in one CSR matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Array
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.csr import csr_of, fill_threads, index_dtype
from cntgraph.store.graph_file import EdgeTypes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]


def assemble(n_nodes: int, blocks: Sequence[Block]) -> tuple[csr_array, NDArray[Any]]:
    """Return the edges of all blocks in one CSR matrix between nodes, and the block of each.

    Parameters
    ----------
    n_nodes : int
    blocks : sequence of Block

    Returns
    -------
    adjacency : scipy.sparse.csr_array, shape (n_nodes, n_nodes)
        Columns ascend within a row; parallel edges stay side by side.
    marks : ndarray of unsigned int, shape (n_edges,)
        For each entry, the index of its block.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("residual")
    >>> adjacency, marks = assemble(net.n_nodes, net.blocks)
    >>> adjacency.nnz, np.bincount(marks).tolist()
    (50, [20, 25, 5])
    """
    unrolling = Unrolling.of(n_nodes, blocks)
    found = unrolling.rows(0, n_nodes)
    shape = (n_nodes, n_nodes)
    return csr_of(found.data, found.indices, unrolling.indptr, shape), found.edge_block


class RowArrays(NamedTuple):
    """The edges of some rows, one row after the other: weight, target and block of each."""

    data: Array
    indices: Array
    edge_block: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Unrolling:
    """The rows of the CSR matrix of some blocks, of which any run can be written by itself.

    Parameters
    ----------
    blocks : sequence of Block
    degrees : sequence of ndarray of int64
        For each block, how many edges leave each of its source positions.
    indptr : ndarray of int64, shape (n_nodes + 1,)
        Where the edges of each node begin.

    Notes
    -----
    The number of edges of every row is known in closed form, so that arrays are allocated
    once and every block writes its edges to their place, in order. Only rows that several blocks
    write to are put in order afterwards, and of them only those whose targets do not ascend from
    block to block.
    """

    blocks: Sequence[Block]
    degrees: Sequence[Ints]
    indptr: Ints

    @classmethod
    def of(cls, n_nodes: int, blocks: Sequence[Block]) -> Unrolling:
        """Count the edges of every row; none is written."""
        degrees = [block.out_degrees() for block in blocks]
        total = np.zeros(n_nodes, dtype=np.float64)
        for block, degree in zip(blocks, degrees, strict=True):
            block.source.scatter_add(total, degree)
        return cls(blocks, degrees, np.concatenate([[0], np.cumsum(total.astype(np.int64))]))

    @property
    def types(self) -> EdgeTypes:
        """The types of weights, of indices and of numbers of blocks."""
        largest = max(len(self.indptr) - 1, int(self.indptr[-1]))
        weight = np.result_type(np.float32, *(block.dtype for block in self.blocks))
        return EdgeTypes(
            weight, index_dtype(largest), np.min_scalar_type(max(len(self.blocks) - 1, 0))
        )

    def rows(self, first: int, last: int) -> RowArrays:
        """Return the edges of the nodes from `first` to `last`."""
        indptr = self.indptr[first : last + 1] - self.indptr[first]
        found = RowArrays(*(np.empty(indptr[-1], dtype) for dtype in self.types))
        rows = _Rows(indptr)
        for k, (block, degree) in enumerate(zip(self.blocks, self.degrees, strict=True)):
            places, source = _within(block.source, first, last)
            if not source.size:
                continue
            starts = np.full(block.source.size, -1, dtype=np.int64)
            starts[places] = rows.claim(source, block.target, degree[places])
            block.write_edges(starts, block.target.start, found.indices, found.data)
            _name_and_mark(starts, degree, block.target.ids, k, found.indices, found.edge_block)
        _merge(np.flatnonzero(rows.unordered), indptr, found.indices, found.data, found.edge_block)
        return found


def _within(view: View, first: int, last: int) -> tuple[slice, View]:
    """Return the positions of a view among which are all nodes of a range, and these alone.

    Nodes are counted from the first of the range; the view is empty where it sees none of it.
    """
    if view.ids is None:
        low, high = max(view.start, first), min(view.start + view.size, last)
        return slice(low - view.start, high - view.start), View((max(high - low, 0),), low - first)
    low, high = view.span()
    if low >= last or high <= first:
        return slice(0, 0), View((0,))
    inside = (view.ids >= first) & (view.ids < last)
    return slice(None), View.of(np.where(inside, view.ids - first, -1))


class _Rows:
    """How far the row of every node is written, and whether its columns still ascend."""

    def __init__(self, indptr: Ints) -> None:
        n_nodes = len(indptr) - 1
        self.cursor = indptr[:-1].copy()
        self.end = np.zeros(n_nodes, dtype=np.int64)
        self.unordered = np.zeros(n_nodes, dtype=bool)

    def claim(self, source: View, target: View, degree: Ints) -> Ints:
        """Return where each source position writes, and move the cursor of its node beyond.

        A node that is seen at several positions (a repeated view) writes them one after another.
        """
        seen: slice | Ints
        if source.ids is None:
            seen = slice(source.start, source.start + source.size)
            starts = self._claim_range(seen, degree)
        else:
            seen = source.ids[source.ids >= 0]
            starts = self._claim_ids(source.ids, degree)
        first, last = target.span()
        self.unordered[seen] |= (self.end[seen] > first) | (target.ids is not None)
        self.end[seen] = np.maximum(self.end[seen], last)
        return starts

    def _claim_range(self, here: slice, degree: Ints) -> Ints:
        starts = self.cursor[here].copy()
        self.cursor[here] += degree
        return starts

    def _claim_ids(self, source: Ints, degree: Ints) -> Ints:
        order = np.argsort(source, kind="stable")
        ids, ordered = source[order], degree[order]
        before = np.cumsum(ordered) - ordered
        first = np.searchsorted(ids, ids, side="left")
        starts = np.empty(source.size, dtype=np.int64)
        starts[order] = np.where(ids < 0, -1, self.cursor[ids] + before - before[first])
        mask = source >= 0
        np.add.at(self.cursor, source[mask], degree[mask])
        self.unordered[ids[1:][(ids[1:] == ids[:-1]) & (ids[1:] >= 0)]] = True
        return starts


def _name_and_mark(
    starts: Ints, degree: Ints, ids: Ints | None, mark: int, indices: Array, marks: NDArray[Any]
) -> None:
    """Write the block of every edge, and the nodes that its target positions are."""
    from cntgraph.core.kernels.csr_rows import mark_rows, rename_rows

    def work(part: slice) -> None:
        mark_rows(starts[part], degree[part], mark, marks)
        if ids is not None:
            rename_rows(starts[part], degree[part], ids, indices)

    for _ in ordered_map(work, _slices(len(starts)), threads=fill_threads(marks)):
        pass


def _merge(rows: Ints, indptr: Ints, indices: Array, data: Array, marks: NDArray[Any]) -> None:
    """Put some rows in order."""
    from cntgraph.core.kernels.csr_order import merge_rows

    def work(part: slice) -> None:
        merge_rows(rows[part], indptr, indices, data, marks)

    for _ in ordered_map(work, _slices(len(rows)), threads=fill_threads(marks)):
        pass


def _slices(n: int) -> list[slice]:
    """Return up to 16 slices of n entries."""
    step = max(-(-n // 16), 1)
    return [slice(k, k + step) for k in range(0, n, step)]
