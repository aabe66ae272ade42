"""View: which nodes an operation reads from or writes to, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids, Values

#: Node ids that are looked at together.
_TOGETHER = 1 << 15


@dataclass(frozen=True, eq=False)
class View:
    """Node ids in the order and shape in which an operation sees them.

    Usually a whole layer in order, held as a range; after a concatenation, a permutation or
    a crop an index array; -1 stands where there is no node (padding).

    Parameters
    ----------
    shape : tuple of int
        Shape in which the operation sees the nodes: (channels, *spatial).
    start : int
        First node id, if the ids are consecutive.
    ids : ndarray of int64, shape (size,), or None
        The ids, if they are not consecutive.

    Examples
    --------
    >>> View.of(np.arange(4, 10), (2, 3))
    View(shape=(2, 3), start=4, ids=None)
    >>> view = View.of(np.array([7, -1, 5]), (3,))
    >>> view.gather(np.arange(10.0))
    array([7., 0., 5.])
    """

    shape: tuple[int, ...]
    start: int = 0
    ids: Ids | None = None

    @classmethod
    def of(cls, ids: NDArray[Any], shape: tuple[int, ...] | None = None) -> View:
        """Return the view of an array of node ids, as a range where it is one; below zero is -1."""
        shape = tuple(ids.shape) if shape is None else shape
        flat = np.ascontiguousarray(ids, dtype=np.int64).reshape(-1)
        if flat.size == 0:
            return cls(shape, 0)
        if _is_consecutive(flat):
            return cls(shape, int(flat[0]))
        return cls(shape, 0, np.maximum(flat, -1))

    @property
    def size(self) -> int:
        """Number of positions, those without a node included."""
        return prod(self.shape)

    @property
    def n_nodes(self) -> int:
        """Number of positions that are nodes."""
        mask = self.mask
        return self.size if mask is None else int(mask.sum())

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """True where a position is a node, shape (size,); None where all are."""
        if self.ids is None or self.ids.min(initial=0) >= 0:
            return None
        return self.ids >= 0

    def repeats(self, chosen: NDArray[np.bool_] | None = None) -> bool:
        """Return whether a node is seen at two positions, or at two of those chosen."""
        if self.ids is None:
            return False
        nodes = np.sort(self.ids[self.ids >= 0 if chosen is None else chosen])
        return bool((nodes[1:] == nodes[:-1]).any())

    def as_ids(self) -> Ids:
        """Return the node ids as an array, shape (size,), -1 where there is no node."""
        if self.ids is not None:
            return self.ids
        return np.arange(self.start, self.start + self.size, dtype=np.int64)

    def reshape(self, shape: tuple[int, ...]) -> View:
        """Return the same nodes seen in another shape (C order)."""
        return View(shape, self.start, self.ids)

    def shifted(self, offset: int) -> View:
        """Return the view with every node id moved by `offset`."""
        if self.ids is None:
            return View(self.shape, self.start + offset)
        return View(self.shape, self.start, np.where(self.ids < 0, -1, self.ids + offset))

    def gather(self, values: NDArray[Any]) -> Values:
        """Return the values of the nodes seen, 0 where there is no node.

        Parameters
        ----------
        values : ndarray, shape (n_nodes,) or (n_nodes, n)
            One value per node, or several.

        Returns
        -------
        ndarray of float64, shape (size,) or (size, n)
        """
        if self.ids is None:
            return values[self.start : self.start + self.size].astype(np.float64, copy=False)
        found = values[self.ids].astype(np.float64, copy=False)
        if self.mask is not None:
            found[~self.mask] = 0.0
        return found

    def scatter_add(self, total: Values, values: NDArray[Any]) -> None:
        """Add values to `total`, shape (n_nodes,), at the nodes seen.

        Parameters
        ----------
        total : ndarray of float64, shape (n_nodes,) or (n_nodes, n)
            What is added to, in place.
        values : ndarray, shape (size,) or one that broadcasts against the view's
            Or of shape (size, n), where several values per node are added to.
        """
        if total.ndim == 2:
            self._scatter_columns(total, values)
            return
        shaped = values.reshape(self.shape) if values.size == self.size else values
        if self.ids is None:
            seen = total[self.start : self.start + self.size].reshape(self.shape)
            seen += shaped
            return
        flat = np.broadcast_to(shaped, self.shape).reshape(-1)
        mask = self.mask
        if mask is None:
            np.add.at(total, self.ids, flat)
        else:
            np.add.at(total, self.ids[mask], flat[mask])

    def _scatter_columns(self, total: Values, values: NDArray[Any]) -> None:
        if self.ids is None:
            total[self.start : self.start + self.size] += values
            return
        nodes = self.ids >= 0
        np.add.at(total, self.ids[nodes], values[nodes])

    def span(self) -> tuple[int, int]:
        """Return the smallest node id seen and one more than the largest; (0, 0) if none."""
        if self.ids is None:
            return self.start, self.start + self.size
        last = int(self.ids.max(initial=-1))
        if last < 0:
            return 0, 0
        first = int(self.ids.min())
        if first < 0:  # where there is no node
            first = int(self.ids.min(where=self.ids >= 0, initial=last))
        return first, last + 1


def parts_of(ids: Ids, starts: NDArray[np.int64]) -> list[int]:
    """Return in which of the ranges that begin at `starts` node ids lie, ascending.

    Parameters
    ----------
    ids : ndarray of int64
        Node ids, -1 where there is no node.
    starts : ndarray of int64
        First node of each range, ascending, beginning with 0.

    Returns
    -------
    list of int

    Examples
    --------
    >>> parts_of(np.array([7, -1, 2, 6]), np.array([0, 4, 6]))
    [0, 2]
    """
    nodes = ids[ids >= 0] if ids.min(initial=0) < 0 else ids
    if not nodes.size:
        return []
    low, high = np.searchsorted(starts, [nodes.min(), nodes.max()], side="right") - 1
    if low == high:
        return [int(low)]
    found = np.zeros(len(starts), dtype=bool)
    for k in range(0, nodes.size, _TOGETHER):
        found[np.searchsorted(starts, nodes[k : k + _TOGETHER], side="right") - 1] = True
    return [int(k) for k in np.flatnonzero(found)]


def _is_consecutive(ids: Ids) -> bool:
    """Whether ids count up by one; looks at parts that fit in cache, and stops early."""
    first, last, middle = int(ids[0]), ids.size - 1, ids.size // 2
    if first < 0 or ids[last] != first + last or ids[middle] != first + middle:
        return False
    for k in range(0, ids.size, _TOGETHER):
        part = ids[k : k + _TOGETHER]
        if np.count_nonzero(part != np.arange(first + k, first + k + part.size)):
            return False
    return True
