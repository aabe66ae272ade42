"""Lengths: what a weight costs on a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.explicit.engine import topology
from cntgraph.measures.explicit.graph import magnitude_matrix
from cntgraph.network.blocks.csr import csr_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Length = Literal["inverse", "neglog"]
Result = TypeVar("Result")

#: What stands for a length of 0 where lengths must be positive, as a part of the largest.
TINY_LENGTH = 1e-7


def length_matrix(magnitudes: csr_array, length: Length | None) -> csr_array:
    """Return the lengths of the edges that a path may take.

    Parameters
    ----------
    magnitudes : scipy.sparse.csr_array of float64
        Weights w ≥ 0 of a simple graph.
    length : {"inverse", "neglog"} or None
        ``"inverse"``: 1/w. ``"neglog"``: -log(w / max w), so that a path is as short as the
        product of its weights is large. None: every edge has length 1, and weights do not
        matter.

    Returns
    -------
    scipy.sparse.csr_array of float64
        An edge of weight 0 has infinite length and is left out, unless `length` is None. An edge
        of the largest weight has length 0 under ``"neglog"``, and is stored.

    Raises
    ------
    CntGraphError
        If `length` is none of these.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> weights = csr_array([[0, 1.0, 0], [0, 0, 0.5], [0, 0, 0]])
    >>> length_matrix(weights, "inverse").data, length_matrix(weights, "neglog").data.round(2)
    (array([1., 2.]), array([0.  , 0.69]))
    """
    check_length(length)
    if length is None:
        return csr_of(
            np.ones(magnitudes.nnz), magnitudes.indices, magnitudes.indptr, magnitudes.shape
        )
    kept = magnitudes.data > 0
    w = magnitudes.data[kept]
    if length == "inverse":
        with np.errstate(over="ignore"):  # of the smallest weights that there can be
            data = np.minimum(1.0 / w, np.finfo(np.float64).max)
    else:  # as a difference: w / max w may round to 0
        logs = np.log(w)
        data = logs.max(initial=-np.inf) - logs
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_of(data, magnitudes.indices[kept], before[magnitudes.indptr], magnitudes.shape)


def positive_lengths(lengths: csr_array) -> csr_array:
    """Return lengths in which those of 0 are `TINY_LENGTH` of the largest, in a unit of their own.

    Where edges have length 0, the shortest paths between two nodes may not be finite in number.
    With this, of paths that are otherwise as long as each other those of fewest edges count. The
    shortest length is 1: igraph takes paths for equally long whose lengths differ by 1e-10.
    """
    data = lengths.data
    tiny = TINY_LENGTH * data.max(initial=0.0) or 1.0  # all are 0: all are alike
    positive = np.where(data > 0, data, tiny)
    if positive.size:
        with np.errstate(over="ignore"):
            positive = np.minimum(positive / positive.min(), np.finfo(np.float64).max)
    return csr_of(positive, lengths.indices, lengths.indptr, lengths.shape)


def by_length(
    graph: Graph,
    sign: Sign | None,
    length: Length | None,
    measure: Callable[[csr_array], Result],
    *,
    noun: str,
) -> Result | Split[Result]:
    """Return a measure of paths under the policies that the caller chose.

    Parameters
    ----------
    graph : Graph
    sign : {"absolute", "positive", "negative", "split"} or None
        As in `by_sign`. Needed where weights are used and some are negative. Without `length`,
        it says which edges paths may take; None is all of them.
    length : {"inverse", "neglog"} or None
        As in `length_matrix`.
    measure : callable
        Takes the lengths of the edges as a simple CSR matrix.
    noun : str
        The measure's name, for errors.

    Returns
    -------
    what `measure` returns, or a `Split` of two for ``sign="split"``

    Raises
    ------
    SignedWeightError, NonFiniteWeightError
        As `by_sign`.
    """
    check_length(length)
    if sign is None and length is None:
        return measure(topology(graph))
    return by_sign(
        graph,
        sign,
        lambda transform: measure(length_matrix(magnitude_matrix(graph, transform), length)),
        noun=noun,
    )


def check_length(length: str | None) -> None:
    """Raise if `length` is not one that there is.

    Raises
    ------
    CntGraphError
    """
    if length is not None and length not in get_args(Length):
        raise CntGraphError(f"expected length to be 'inverse', 'neglog' or None; got {length!r}")
