"""The arrays of a CSR matrix: what blocks write their edges to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def index_dtype(largest: int) -> np.dtype[Any]:
    """Return int32, or int64 where `largest` needs it."""
    return np.dtype(np.int32 if largest <= np.iinfo(np.int32).max else np.int64)


def csr_of(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> csr_array:
    """Return a CSR matrix around arrays, without copying the large ones.

    SciPy wants one type for both kinds of index, and would widen `indices` to that of `indptr`.
    """
    from scipy.sparse import csr_array

    return csr_array((data, indices, indptr.astype(indices.dtype)), shape=shape)


def fill_from_csr(
    matrix: csr_array,
    starts: NDArray[np.int64],
    columns: NDArray[np.int64] | int,
    indices: Array,
    data: Array,
) -> None:
    """Do `Block.fill` for a kind of block whose matrix is at hand.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        The block's matrix.
    starts, columns, indices, data
        As in `Block.fill`.
    """
    from cntgraph.core.kernels.csr import copy_rows

    targets = as_columns(columns, matrix.shape[1])
    copy_rows(matrix.indptr, matrix.indices, matrix.data, starts, targets, indices, data)


def as_columns(columns: NDArray[np.int64] | int, size: int) -> NDArray[np.int64]:
    """Return the column of every target position as an array."""
    if isinstance(columns, int):
        return np.arange(columns, columns + size, dtype=np.int64)
    return columns
