"""EdgeArrays: the edges of a graph as parallel arrays, what every other library is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.errors import CntGraphError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: What becomes of several edges between the same two nodes.
Parallel = Literal["sum", "keep"]


class EdgeArrays(NamedTuple):
    """The edges of a graph, by source and then by target.

    Attributes
    ----------
    source, target : ndarray of int32 or int64, shape (n_edges,)
        Node ids.
    weight : ndarray of float64, shape (n_edges,)
    block : ndarray of unsigned int, shape (n_edges,)
        Which of `block_names` the edge belongs to.
    block_names : tuple of str
        Names of blocks; where parallel edges were added up, theirs are joined by ``+``.
    parametric : ndarray of bool, shape (len(block_names),)
        Which blocks' edges are learned; a sum is if one of its terms is.
    """

    source: NDArray[Any]
    target: NDArray[Any]
    weight: NDArray[np.float64]
    block: NDArray[Any]
    block_names: tuple[str, ...]
    parametric: NDArray[np.bool_]

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.weight)


def edge_arrays(
    adjacency: csr_array,
    edge_block: NDArray[Any],
    block_names: Sequence[str],
    parametric: NDArray[np.bool_],
    *,
    parallel: Parallel = "sum",
) -> EdgeArrays:
    """Return the edges of a CSR adjacency as parallel arrays.

    Parameters
    ----------
    adjacency : scipy.sparse.csr_array, shape (n_nodes, n_nodes)
        Columns ascend within a row; a stored zero is an edge.
    edge_block : ndarray of unsigned int, shape (n_edges,)
        The block of each entry.
    block_names : sequence of str
    parametric : ndarray of bool, shape (n_blocks,)
    parallel : {"sum", "keep"}, default "sum"
        Whether edges between the same two nodes are added up or stay several.

    Returns
    -------
    EdgeArrays
        With ``"keep"``, aligned with ``adjacency.data``.

    Raises
    ------
    CntGraphError
        If `parallel` is neither.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> matrix = csr_array(([0.5, 1.0, 2.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    >>> edges = edge_arrays(matrix, np.array([0, 1, 1]), ["conv", "skip"], np.array([True, False]))
    >>> edges.weight, edges.block_names
    (array([1.5, 2. ]), ('conv', 'skip', 'conv+skip'))
    """
    check_parallel(parallel)
    counts = np.diff(adjacency.indptr)
    source = np.repeat(np.arange(len(counts), dtype=adjacency.indices.dtype), counts)
    weight = adjacency.data.astype(np.float64)
    names, learned = tuple(block_names), np.asarray(parametric, dtype=bool)
    edges = EdgeArrays(source, adjacency.indices, weight, edge_block, names, learned)
    return edges if parallel == "keep" else _added_up(edges, _is_first(adjacency))


def check_parallel(parallel: str) -> None:
    """Raise if `parallel` says nothing about parallel edges.

    Raises
    ------
    CntGraphError
    """
    if parallel not in get_args(Parallel):
        raise CntGraphError(f"expected parallel to be 'sum' or 'keep', got {parallel!r}")


def _is_first(adjacency: csr_array) -> NDArray[np.bool_]:
    """Return, for every entry, whether the one before it connects another pair of nodes."""
    first = np.ones(adjacency.nnz, dtype=bool)
    np.not_equal(adjacency.indices[1:], adjacency.indices[:-1], out=first[1:])
    starts = adjacency.indptr[:-1]
    first[starts[starts < adjacency.nnz]] = True
    return first


def _added_up(edges: EdgeArrays, first: NDArray[np.bool_]) -> EdgeArrays:
    if first.all():
        return edges
    starts = np.flatnonzero(first)
    with np.errstate(invalid="ignore"):  # infinities that cancel are NaN
        weight = np.add.reduceat(edges.weight, starts)
    block, names, parametric = _joined(edges, starts)
    return EdgeArrays(edges.source[starts], edges.target[starts], weight, block, names, parametric)


def _joined(edges: EdgeArrays, starts: NDArray[np.int64]) -> tuple[Any, tuple[str, ...], Any]:
    """Return the block of each sum, and all names: a joined one for each set of blocks."""
    ends = np.append(starts[1:], edges.n_edges)
    names, parametric = list(edges.block_names), edges.parametric.tolist()
    block = edges.block[starts].astype(np.int64)
    known: dict[tuple[int, ...], int] = {}
    for k in np.flatnonzero(ends - starts > 1).tolist():
        parts = tuple(sorted(set(edges.block[starts[k] : ends[k]].tolist())))
        if len(parts) == 1:
            continue
        if parts not in known:
            known[parts] = len(names)
            names.append("+".join(edges.block_names[p] for p in parts))
            parametric.append(any(edges.parametric[p] for p in parts))
        block[k] = known[parts]
    smallest = np.min_scalar_type(max(len(names) - 1, 0))
    return block.astype(smallest), tuple(names), np.array(parametric, dtype=bool)
