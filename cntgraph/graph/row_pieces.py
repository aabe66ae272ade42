"""Runs of rows of a CSR matrix: what threads take, and what is held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Edges of one piece: enough to be worth a thread and an array of column sums.
_EDGES = 1_000_000
#: As many pieces as the edges need, not as there are cores: the same bits on every machine.
_MOST = 16


def row_pieces(indptr: NDArray[Any], first: int, last: int) -> list[tuple[int, int]]:
    """Return the bounds of runs of rows that cover rows `first` to `last`.

    Parameters
    ----------
    indptr : ndarray of int, shape (n_rows + 1,)
    first, last : int

    Returns
    -------
    list of (int, int)
        At most 16; one if the edges are few.

    Examples
    --------
    >>> row_pieces(np.array([0, 1_500_000, 3_000_000]), 0, 2)
    [(0, 1), (1, 2)]
    """
    own = indptr[first : last + 1]
    n_edges = int(own[-1] - own[0])
    n_pieces = min(max(n_edges // _EDGES, 1), _MOST)
    wanted = own[0] + np.linspace(0, n_edges, n_pieces + 1)[1:-1]
    cuts = np.unique(np.concatenate([[0], np.searchsorted(own, wanted), [last - first]]))
    return list(pairwise((cuts + first).tolist()))


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
