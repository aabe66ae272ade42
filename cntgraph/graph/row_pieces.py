"""Runs of rows of a CSR matrix that threads take."""

from __future__ import annotations

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
