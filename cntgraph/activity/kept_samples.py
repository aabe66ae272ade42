"""KeptSamples: the values of a few samples, chosen by what is in them, for quantiles."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Array, Values

Marks = NDArray[np.uint64]


def marks_of(arrays: tuple[Array, ...]) -> Marks:
    """Return a number for each sample that follows from its content: its place in a random order.

    Parameters
    ----------
    arrays : tuple of ndarray, shapes (n_samples, …)
        The inputs.

    Returns
    -------
    ndarray of uint64, shape (n_samples,)
        The same in whatever order and in whatever batches samples come.

    Examples
    --------
    >>> first, second, third = marks_of((np.array([[1.0], [2.0], [1.0]]),))
    >>> bool(first == third), bool(first == second)
    (True, False)
    """
    parts = [np.ascontiguousarray(array) for array in arrays]
    found = np.empty(len(parts[0]), dtype=np.uint64)
    for k in range(len(found)):
        digest = blake2b(digest_size=8)
        for part in parts:
            digest.update(part[k].tobytes())
        found[k] = int.from_bytes(digest.digest(), "little")
    return found


class KeptSamples:
    """The values of n nodes in the samples with the smallest marks, a fixed number at most.

    The same samples are kept for all nodes. Where there are no more than that, quantiles are
    exact; otherwise they are those of a random sample.

    Parameters
    ----------
    n_nodes : int
        Number of nodes.
    size : int
        How many samples are kept.

    Examples
    --------
    >>> kept = KeptSamples(1, size=10)
    >>> kept.add(np.array([[1.0], [2.0], [6.0]]), np.array([7, 5, 6], dtype=np.uint64))
    >>> kept.quantiles([0.5])
    array([[2.]])
    """

    def __init__(self, n_nodes: int, size: int) -> None:
        self.size = size
        self.marks: Marks = np.zeros(0, dtype=np.uint64)
        self.values: Array = np.zeros((0, n_nodes), dtype=np.float32)

    @classmethod
    def like(cls, other: KeptSamples) -> KeptSamples:
        """Return an empty one of the same size."""
        return cls(other.values.shape[1], other.size)

    def add(self, values: Array, marks: Marks) -> None:
        """Add samples.

        Parameters
        ----------
        values : ndarray, shape (n_samples, n_nodes)
        marks : ndarray of uint64, shape (n_samples,)
            As `marks_of` gives them.
        """
        highest = self.marks[-1] if len(self.marks) == self.size else None
        if highest is not None:
            low = marks < highest
            values, marks = values[low], marks[low]
        if not len(marks):
            return
        together = np.concatenate([self.marks, marks])
        order = np.argsort(together, kind="stable")[: self.size]
        self.marks = together[order]
        self.values = np.concatenate([self.values.astype(values.dtype, copy=False), values])[order]

    def merge(self, other: KeptSamples) -> None:
        """Add the samples that were kept elsewhere."""
        self.add(other.values, other.marks)

    def quantiles(self, q: Array | list[float]) -> Values:
        """Return quantiles of every node, shape (len(q), n_nodes)."""
        return np.quantile(self.values.astype(np.float64), np.asarray(q, dtype=np.float64), axis=0)
