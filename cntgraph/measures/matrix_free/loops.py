"""The loops of a network: strongly connected nodes, where all eigenvalues of A come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ConvergenceError
from cntgraph.core.types import Ids, Values
from cntgraph.measures.matrix_free.operator import AdjacencyOperator

if TYPE_CHECKING:
    from scipy.sparse import csr_array


#: Edges up to which a loop's matrix is unrolled, to find which of its nodes are on cycles.
MAX_EDGES = 5_000_000
#: Nodes up to which eigenvalues are those of a dense matrix, exact.
_DENSE = 1000


class Loop(NamedTuple):
    """Strongly connected nodes, ascending, and the matrix of the edges among them.

    It is a ``csr_array``, or a ``LinearOperator`` where that would be too large.
    """

    nodes: Ids
    matrix: Any


def loops_of(operator: AdjacencyOperator) -> Iterator[Loop]:
    """Yield the loops of a network; a feed-forward network has none.

    Parameters
    ----------
    operator : AdjacencyOperator

    Yields
    ------
    Loop
        Edges of weight zero are none. Beyond five million edges, blocks that make a loop are
        one, though some of their nodes may not be on it.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.matrix_free.operator import adjacency_operator
    >>> list(loops_of(adjacency_operator(cg.toy("mlp"))))
    []
    """
    for stage in operator.stages:
        if not stage.is_strongly_connected:
            continue
        found, nodes = operator.among(stage.parts)
        if not found.on_cycles().any():
            continue
        if found.n_edges > MAX_EDGES:
            yield Loop(nodes, found.linear_operator())
            continue
        for members, matrix in _strong_components(found.to_csr()):
            yield Loop(nodes[members], matrix)


def _strong_components(matrix: csr_array) -> Iterator[tuple[Ids, csr_array]]:
    from scipy.sparse.csgraph import connected_components

    matrix.eliminate_zeros()
    count, label = connected_components(matrix, connection="strong")
    order = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=count))
    for members in np.split(order, ends[:-1]):
        own = matrix[members][:, members]
        if own.nnz:
            yield np.asarray(members, dtype=np.int64), own


def largest_eigenvalue(loop: Loop, noun: str) -> float:
    """Return the largest absolute value of the eigenvalues of a loop's matrix.

    Raises
    ------
    ConvergenceError
    """
    if len(loop.nodes) <= _DENSE:
        return float(np.abs(np.linalg.eigvals(_dense(loop))).max())
    values, _ = _by_arpack(loop.matrix, "LM", noun)
    return float(abs(values[0]))


def perron_vector(loop: Loop, noun: str) -> tuple[float, Values]:
    """Return the largest eigenvalue λ of a loop of weights ≥ 0, and its x > 0 with Aᵀx = λx.

    Raises
    ------
    ConvergenceError
    """
    if len(loop.nodes) <= _DENSE:
        values, vectors = np.linalg.eig(_dense(loop).T)
        k = int(np.argmax(values.real))
        value, vector = values[k], vectors[:, k]
    else:
        values, vectors = _by_arpack(loop.matrix.T, "LR", noun)
        value, vector = values[0], vectors[:, 0]
    found = np.abs(vector.real)
    found /= np.linalg.norm(found)
    return float(value.real), found


def _dense(loop: Loop) -> Values:
    matrix = loop.matrix
    if hasattr(matrix, "toarray"):
        return np.asarray(matrix.toarray())
    return np.asarray(matrix.matmat(np.eye(len(loop.nodes))))


def _by_arpack(matrix: Any, which: str, noun: str) -> tuple[NDArray[Any], NDArray[Any]]:
    from scipy.sparse.linalg import ArpackNoConvergence, eigs

    start = np.random.default_rng(0).random(matrix.shape[0]) + 0.5
    try:
        values, vectors = eigs(matrix, k=1, which=which, v0=start)
    except ArpackNoConvergence as error:
        limit = 10 * matrix.shape[0]
        raise ConvergenceError(noun, limit, np.nan, "its eigenvalues lie too close") from error
    return values, vectors
