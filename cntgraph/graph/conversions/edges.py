"""EdgeArrays: the edges of a graph as parallel arrays, what every other library is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError

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
    counts = np.diff(starts, append=edges.n_edges)
    merged = np.flatnonzero(counts > 1)
    several = np.repeat(counts > 1, counts)
    group = np.repeat(np.arange(merged.size), counts[merged])
    codes, sets = _sets_of_blocks(
        group, edges.block[several].astype(np.int64), len(edges.parametric)
    )
    block = edges.block[starts].astype(np.int64)
    block[merged] = codes
    names = ("+".join(edges.block_names[k] for k in blocks) for blocks in sets)
    parametric = np.array([edges.parametric[list(blocks)].any() for blocks in sets], dtype=bool)
    return block.astype(np.min_scalar_type(max(len(sets) - 1, 0))), tuple(names), parametric


def _sets_of_blocks(
    group: NDArray[np.int64], block: NDArray[np.int64], n_blocks: int
) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Return which set of blocks each group has, and the sets: first those of one block each."""
    n_groups = int(group[-1]) + 1
    pairs = np.sort(group * n_blocks + block)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    group, block = pairs // n_blocks, pairs % n_blocks
    starts = np.searchsorted(group, np.arange(n_groups))
    counts = np.diff(starts, append=group.size)
    codes = block[starts]
    sets: list[tuple[int, ...]] = [(k,) for k in range(n_blocks)]
    for rank in range(1, int(counts.max())):
        # A set that ends here is that of its first blocks and one more.
        ends = np.flatnonzero(counts > rank)
        longer, place = np.unique(
            codes[ends] * n_blocks + block[starts[ends] + rank], return_inverse=True
        )
        codes[ends] = len(sets) + place
        sets += [(*sets[code // n_blocks], code % n_blocks) for code in longer.tolist()]
    return _without_unused(codes, sets, n_blocks)


def _without_unused(
    codes: NDArray[np.int64], sets: list[tuple[int, ...]], n_blocks: int
) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    counts = np.bincount(codes, minlength=len(sets))
    counts[:n_blocks] += 1
    used = np.flatnonzero(counts)
    return np.searchsorted(used, codes), [sets[k] for k in used.tolist()]
