"""The arrays of a CSR matrix: what blocks write their edges to."""

from __future__ import annotations

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
    from cntgraph.core.kernels.csr_rows import copy_rows

    copy_rows(matrix.indptr, matrix.indices, matrix.data, starts, column, indices, data)
