"""The arrays of a CSR matrix: what blocks write their edges to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Where the edges of each row begin in the arrays; negative where a row is left out.
Starts = NDArray[np.int64]


def index_dtype(largest: int) -> np.dtype[Any]:
    """Return int32, or int64 where `largest` needs it."""
    return np.dtype(np.int32 if largest <= np.iinfo(np.int32).max else np.int64)


def csr_of(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> csr_array:
    """Return a CSR matrix around arrays, without copying the large ones.

    SciPy wants one type for both kinds of index, and would widen `indices` to that of `indptr`.
    """
    from scipy.sparse import csr_array

    return csr_array((data, indices, indptr.astype(indices.dtype)), shape=shape)


def fill_threads(indices: Array) -> int | None:
    """Return on how many threads to fill arrays: one where they are small, else the default."""
    return 1 if len(indices) < 100_000 else None


def fill_from_csr(
    matrix: csr_array, starts: Starts, column: int, indices: Array, data: Array
) -> None:
    """Do `Block.fill` for a kind of block whose matrix is at hand.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        The block's matrix, the indices of every row in order.
    starts, column, indices, data
        As in `Block.fill`.
    """
    copy_rows_to((matrix.indptr, matrix.indices, matrix.data), starts, column, indices, data)


def copy_rows_to(
    rows: tuple[Array, Array, Array], starts: Starts, column: int, indices: Array, data: Array
) -> None:
    """Copy rows, given as indptr, indices and data of a CSR matrix, as `Block.fill` writes them."""
    from cntgraph.core.kernels.csr_rows import copy_rows

    copy_rows(*rows, starts, column, indices, data)


def row_runs(ends: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs of rows with up to `size` edges, or of one row with more.

    Parameters
    ----------
    ends : ndarray of int64, shape (n_rows,)
        Where the edges of each row end.
    size : int

    Yields
    ------
    (int, int)
        Rows without edges may be left out.

    Examples
    --------
    >>> list(row_runs(np.array([2, 4, 9, 10]), 4))
    [(0, 2), (2, 3), (3, 4)]
    """
    first, done = 0, 0
    while done < (ends[-1] if len(ends) else 0):
        last = max(int(np.searchsorted(ends, done + size, side="right")), first + 1)
        if ends[last - 1] > done:
            yield first, last
        first, done = last, int(ends[last - 1])
