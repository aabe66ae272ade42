"""StrongestPairs: those pairs of nodes whose correlation is strong, of all that come by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array

#: Bytes that a pair takes until both of its edges stand in a graph.
_BYTES_PER_PAIR = 64

Places = NDArray[np.int32]


class StrongestPairs:
    """Pairs i < j with |r| of `threshold` or more, and of these the `top` strongest.

    Parameters
    ----------
    threshold : float
        From 0 to 1.
    top : int or None
        How many pairs at most; of equally strong ones those that come first in the order of i
        and j.

    Examples
    --------
    >>> pairs = StrongestPairs(0.0, top=2)
    >>> pairs.add(np.array([[1, 0.5, -0.7], [0.5, 1, 0.1], [-0.7, 0.1, 1]], np.float32), 0, 0)
    >>> [found.tolist() for found in pairs.found()[:2]]
    [[0, 0], [2, 1]]
    """

    def __init__(self, threshold: float, top: int | None) -> None:
        self.cut, self.top = threshold, top
        self._parts: list[tuple[Places, Places, Array]] = []
        self._n_pairs = 0

    def add(self, tile: NDArray[np.float32], row: int, column: int) -> None:
        """Look through the correlations of some nodes with some others.

        Parameters
        ----------
        tile : ndarray of float32, shape (n, m)
            Those of the nodes from `row` on with the nodes from `column` on.
        row, column : int
            On the diagonal of all tiles the same number, and otherwise ``row < column``.
        """
        strong = np.abs(tile) >= self.cut
        if row == column:
            strong = np.triu(strong, 1)
        i, j = np.nonzero(strong)
        if not len(i):
            return
        ends = (i + row).astype(np.int32), (j + column).astype(np.int32)
        self._parts.append((*ends, tile[i, j]))
        self._n_pairs += len(i)
        if self.top is not None and self._n_pairs > 2 * self.top:
            self._forget_weak(self.top)
        check_memory(_BYTES_PER_PAIR * self._n_pairs, f"a graph of {2 * self._n_pairs:,} edges")

    def found(self) -> tuple[Places, Places, Array]:
        """Return both ends and the correlation of every pair."""
        if self.top is not None and self._n_pairs > self.top:
            self._forget_weak(self.top)
        return self._together()

    def _together(self) -> tuple[Places, Places, Array]:
        none = np.zeros(0, np.int32)
        i, j, r = zip((none, none, np.zeros(0, np.float32)), *self._parts, strict=True)
        return np.concatenate(i), np.concatenate(j), np.concatenate(r)

    def _forget_weak(self, top: int) -> None:
        i, j, r = self._together()
        size = np.abs(r)
        least = np.partition(size, len(size) - top)[len(size) - top]
        kept = np.flatnonzero(size >= least)  # a few more than wanted, where some are as strong
        kept = kept[np.lexsort((j[kept], i[kept], -size[kept]))[:top]]
        self.cut = float(least)
        self._parts, self._n_pairs = [(i[kept], j[kept], r[kept])], len(kept)
