"""The largest eigenvalue of a symmetric operator and its vector, with little memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cntgraph.core.errors import ConvergenceError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values

#: Vectors that are held: more need fewer products, and memory.
N_VECTORS = 20


class Eigenpair(NamedTuple):
    """An eigenvalue and its vector, of length one."""

    value: float
    vector: Values


def leading_eigenpair(
    product: Callable[[Values], Values],
    start: Values,
    *,
    tol: float,
    max_iter: int,
    noun: str,
    n_vectors: int = N_VECTORS,
) -> Eigenpair:
    """Return the largest eigenvalue of a symmetric operator, and its part of a start vector.

    Parameters
    ----------
    product : callable
        The operator: symmetric, no negative eigenvalues.
    start : ndarray of float64, shape (n,)
        Not zero.
    tol : float
        Stop when the residual is below this part of the eigenvalue.
    max_iter : int
        Number of products.
    noun : str
        For the error.
    n_vectors : int, default 20
        Number of vectors of n values that are held.

    Returns
    -------
    Eigenpair
        Of the largest eigenvalue whose vectors are not orthogonal to `start`. Where there are
        several, the vector is the projection of `start` onto them: what a power iteration from
        `start` would come to.

    Raises
    ------
    ConvergenceError
    GraphSizeError
        If the vectors do not fit into memory.

    Notes
    -----
    Lanczos' method with full orthogonalization; once the vectors are used up it starts again
    from the best third of what they span. SciPy's ``eigsh`` does the same, but goes on with a
    random vector where the start spans few, which makes ties arbitrary.

    References
    ----------
    .. [1] Wu and Simon, "Thick-restart Lanczos method for large symmetric eigenvalue problems",
       SIAM J. Matrix Anal. Appl. 22(2), 2000.

    Examples
    --------
    >>> found = leading_eigenpair(lambda x: np.array([1, 4, 4]) * x, np.array([1.0, 3.0, 4.0]),
    ...                           tol=1e-12, max_iter=9, noun="example")
    >>> round(found.value, 9), abs(found.vector.round(9))
    (4.0, array([0. , 0.6, 0.8]))
    """
    m = min(n_vectors, len(start))
    check_memory(8 * (m + m // 3 + 4) * len(start), f"{m} vectors of {len(start):,} nodes")
    vectors = np.empty((m + 1, len(start)))
    matrix = np.zeros((m + 1, m + 1))
    vectors[0] = start / np.linalg.norm(start)
    kept, residual, n_products = 0, np.inf, 0
    while n_products < max_iter:
        size, rest = m, 0.0
        for j in range(kept, m):
            following, along = _orthogonalized(product(vectors[j]), vectors[: j + 1])
            n_products += 1
            matrix[j, : j + 1] = matrix[: j + 1, j] = along
            rest = float(np.linalg.norm(following))
            if rest <= _ROUNDING * np.abs(matrix[: j + 1, : j + 1]).max():
                size, rest = j + 1, 0.0
                break
            np.divide(following, rest, out=vectors[j + 1])
        values, bases = np.linalg.eigh(matrix[:size, :size])
        largest = float(values[-1])
        residual = abs(rest * bases[-1, -1]) / largest if largest > 0 else 0.0
        if residual <= tol:
            found = bases[:, -1] @ vectors[:size]
            length = float(np.linalg.norm(found))
            return Eigenpair(largest, found / (length if found @ start >= 0 else -length))
        kept = min(max(m // 3, 1), m - 1)
        vectors[:kept] = bases[:, -kept:].T @ vectors[:size]
        vectors[kept] = vectors[size]
        matrix[:] = 0.0
        matrix[range(kept), range(kept)] = values[-kept:]
    raise ConvergenceError(noun, n_products, residual, "raise max_iter or tol")


#: A rest of this part is rounding: the vectors so far span all there is.
_ROUNDING = 1e-14


def _orthogonalized(vector: Values, basis: Values) -> tuple[Values, Values]:
    """Return what is left of a vector outside of a basis, and its part along each of it."""
    along = basis @ vector
    vector -= along @ basis
    again = basis @ vector
    vector -= again @ basis
    return vector, along + again
