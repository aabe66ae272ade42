"""edge_sums: what the edges of every node sum up to, from one pass over a CSR matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Values
from cntgraph.graph.row_pieces import row_pieces
from cntgraph.network.blocks.transform import Transform, transform_code
from cntgraph.network.node_sums import NodeSums

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def edge_sums(
    matrix: csr_array,
    transform: Transform,
    edge_block: NDArray[Any],
    counted: NDArray[np.bool_] | None,
) -> NodeSums:
    """Sum the rows and columns of f(A), in parts of rows on all cores.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (n_nodes, n_nodes)
    transform : str
        What is taken of every weight.
    edge_block : ndarray of int, shape (n_edges,)
        The block of each edge.
    counted : ndarray of bool, shape (n_blocks,), or None
        The blocks whose edges count; None for all.
    """
    from cntgraph.core.kernels.csr_sums import (
        add_row_column_sums,
        column_span,
        count_columns,
    )

    n = matrix.shape[0]
    incoming, outgoing = np.zeros(n), np.zeros(n)
    arrays = read_only(matrix.indptr), read_only(matrix.indices), read_only(matrix.data)
    edge_block = read_only(edge_block)
    code, counts = transform_code(transform), np.zeros(0, bool) if counted is None else counted

    def work(part: tuple[int, int]) -> tuple[slice, Values]:
        # The rows of a layer or two lead to few of all columns.
        low, high = column_span(*arrays[:2], part)
        columns = np.zeros(high - low)
        if transform == "count" and counted is None:  # no weight is looked at
            indptr, indices = arrays[:2]
            outgoing[slice(*part)] = np.diff(indptr[part[0] : part[1] + 1])
            count_columns(indices, (indptr[part[0]], indptr[part[1]]), low, columns)
            return slice(low, high), columns
        add_row_column_sums(*arrays, part, code, counts, edge_block, low, outgoing, columns)
        return slice(low, high), columns

    parts = row_pieces(matrix.indptr, 0, n)
    for here, columns in ordered_map(work, parts, threads=1 if len(parts) == 1 else None):
        incoming[here] += columns
    return NodeSums(incoming, outgoing)
