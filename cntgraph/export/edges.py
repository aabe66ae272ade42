"""The edges of a graph for a file, a piece at a time, straight from its CSR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cntgraph.core.errors import NonFiniteWeightError
from cntgraph.core.progress import progress
from cntgraph.core.types import Array
from cntgraph.graph.conversions.edges import Parallel, check_parallel
from cntgraph.graph.graph import Graph

#: Edges of one piece: what is held as text at once, about 10 MB.
PIECE = 20_000


class Piece(NamedTuple):
    """A run of edges: their numbers, and an array of each of their sides."""

    ids: range
    source: Array
    target: Array
    weight: Array
    block: Array

    @property
    def here(self) -> slice:
        """Where the run stands among all edges."""
        return slice(self.ids.start, self.ids.stop)


@dataclass(frozen=True, eq=False)
class EdgeList:
    """All edges of a graph, by source and then by target.

    Parameters
    ----------
    indptr : ndarray of int, shape (n_nodes + 1,)
        Where the edges of each source begin.
    target, weight, block : ndarray, shape (n_edges,)
    block_names : tuple of str
        What `block` counts.
    has_parallel : bool
        Whether two edges connect the same pair of nodes.
    """

    indptr: Array
    target: Array
    weight: Array
    block: Array
    block_names: tuple[str, ...]
    has_parallel: bool

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.target)

    def pieces(self, what: str, *, size: int = PIECE, show: bool = False) -> Iterator[Piece]:
        """Yield the edges in runs, with a progress bar if asked for."""
        for start in progress(range(0, self.n_edges, size), what, show=show):
            ids = range(start, min(start + size, self.n_edges))
            here = slice(ids.start, ids.stop)
            source = np.searchsorted(self.indptr, np.asarray(ids), side="right") - 1
            yield Piece(ids, source, self.target[here], self.weight[here], self.block[here])


def edge_list(graph: Graph, parallel: Parallel = "keep") -> EdgeList:
    """Return the edges of a graph as they are written.

    Parameters
    ----------
    graph : Graph
    parallel : {"keep", "sum"}, default "keep"
        Whether edges between the same two nodes stay several or are added up (in float64).

    Returns
    -------
    EdgeList
        Around the arrays of the graph; nothing is copied unless edges are added up.

    Raises
    ------
    NonFiniteWeightError
        If a weight is NaN or infinite.
    CntGraphError
        If `parallel` is neither.
    """
    check_parallel(parallel)
    check_finite(graph)
    matrix = graph.adjacency
    several = _has_parallel(matrix.indptr, matrix.indices)
    if parallel == "keep" or not several:
        arrays = (matrix.indptr, matrix.indices, matrix.data, graph.edge_block)
        return EdgeList(*arrays, graph.block_names, several)
    edges = graph.edge_arrays(parallel="sum")
    indptr = np.searchsorted(edges.source, np.arange(graph.n_nodes + 1))
    return EdgeList(indptr, edges.target, edges.weight, edges.block, edges.block_names, False)


def check_finite(graph: Graph, where: str = "") -> None:
    """Raise if a weight is NaN or infinite.

    Parameters
    ----------
    graph : Graph
    where : str, default ""
        Added to the message, such as the snapshot.

    Raises
    ------
    NonFiniteWeightError
        The message names the blocks.
    """
    wrong = ~np.isfinite(graph.adjacency.data)
    if wrong.any():
        blocks = [graph.block_names[k] for k in np.unique(graph.edge_block[wrong])]
        names = ", ".join(blocks[:5]) + (", …" if len(blocks) > 5 else "")
        raise NonFiniteWeightError(
            f"expected finite weights, which every program reads; {int(wrong.sum()):,} are NaN or "
            f"infinite, in: {names}{where}. graph.keep_edges(np.isfinite(graph.adjacency.data)) is "
            "the graph without them"
        )


def _has_parallel(indptr: Array, target: Array) -> bool:
    """Return whether a target comes twice in a row; targets ascend within it."""
    again = np.flatnonzero(target[1:] == target[:-1]) + 1
    starts = np.searchsorted(indptr, again)
    return bool((indptr[np.minimum(starts, len(indptr) - 1)] != again).any())
