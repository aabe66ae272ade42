"""Grouping: which coarse node (a channel, a layer) each position of a view belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from cntgraph.core.types import Ids
from cntgraph.core.view import View

#: How the weights between two coarse nodes become one: Σw, Σ|w| or √Σw².
Aggregation = Literal["sum", "l1", "l2"]


@dataclass(frozen=True, eq=False)
class Grouping:
    """The coarse node of each position of a view.

    Parameters
    ----------
    shape : tuple of int
        The view's shape.
    labels : ndarray of int64
        The coarse node of each position, -1 where there is none. It broadcasts against `shape`:
        an axis along which nothing changes may have length one.
    n_positions : ndarray of int64, shape (n_coarse_nodes,)
        Over how many positions the bias of a coarse node is averaged.

    Examples
    --------
    A layer of shape (2, 3) with one node per channel:

    >>> group = Grouping((2, 3), np.array([[0], [1]]), np.array([3, 3]))
    >>> group.flat
    array([0, 0, 0, 1, 1, 1])
    """

    shape: tuple[int, ...]
    labels: Ids
    n_positions: Ids

    @cached_property
    def flat(self) -> Ids:
        """The coarse node of every position, shape (size,)."""
        return np.broadcast_to(self.labels, self.shape).reshape(-1)

    @property
    def nodes(self) -> Ids:
        """The coarse nodes that it shows, each once, in order."""
        found = np.unique(self.labels) if 0 not in self.shape else np.zeros(0, dtype=np.int64)
        return found[found >= 0]

    @property
    def is_whole(self) -> bool:
        """Whether every position is a node."""
        return bool(self.labels.min(initial=0) >= 0)

    @property
    def is_trivial(self) -> bool:
        """Whether no two positions share a coarse node."""
        return is_injective(self.flat)


@dataclass(frozen=True, eq=False)
class Partition:
    """All nodes of a network, cut into coarse nodes: runs of equal length within each layer.

    Parameters
    ----------
    starts : ndarray of int64, shape (n_layers,)
        First node of each layer.
    lengths : ndarray of int64, shape (n_layers,)
        Nodes of each layer that make one coarse node.
    coarse_starts : ndarray of int64, shape (n_layers,)
        First coarse node of each layer.
    n_positions : ndarray of int64, shape (n_coarse_nodes,)
        As in `Grouping`.
    """

    starts: Ids
    lengths: Ids
    coarse_starts: Ids
    n_positions: Ids

    def coarse(self, ids: Ids) -> Ids:
        """Return the coarse node of each node, -1 for -1."""
        known = ids >= 0
        ends = np.array([ids.min(initial=np.iinfo(np.int64).max, where=known), ids.max(initial=-1)])
        first, last = np.searchsorted(self.starts, ends, side="right") - 1
        # Of one layer, as is usual, or each of its own.
        of_one = first == last
        layer = first if of_one else np.searchsorted(self.starts, ids, side="right") - 1
        found = (ids - self.starts[layer]) // self.lengths[layer] + self.coarse_starts[layer]
        return found if known.all() else np.where(known, found, -1)

    def group(self, view: View) -> Grouping:
        """Return the coarse node of each position of a view."""
        by_row = self._rows(view)
        if by_row is not None:
            shape = (len(by_row), *(1,) * (len(view.shape) - 1))
            return Grouping(view.shape, by_row.reshape(shape), self.n_positions)
        labels = self.coarse(view.as_ids()).reshape(view.shape)
        for axis in range(1, labels.ndim):
            first = labels.take([0], axis) if 0 not in labels.shape else labels
            labels = first if (labels == first).all() else labels
        return Grouping(view.shape, labels, self.n_positions)

    def _rows(self, view: View) -> Ids | None:
        """Return the coarse node of each channel, where each is a run within one coarse node.

        This is how a layer is usually seen; nothing of the size of the layer is made.
        """
        if len(view.shape) < 2 or not view.size:
            return None
        n_rows, length = view.shape[0], view.size // view.shape[0]
        if view.ids is None:
            first = view.start + length * np.arange(n_rows, dtype=np.int64)
        else:
            rows = view.ids.reshape(n_rows, length)
            first = rows[:, 0]
            if not (rows[:, 1:] - rows[:, :-1] == 1).all():
                return None
        labels = self.coarse(first)
        return labels if (labels == self.coarse(first + length - 1)).all() else None


def is_injective(labels: Ids) -> bool:
    """Return whether no label but -1 comes twice."""
    known = labels[labels >= 0]
    return len(np.unique(known)) == len(known)
