"""RowClasses: the rows of an unrolled convolution that differ by a shift of their columns only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class RowClasses(NamedTuple):
    """The positions of a feature map by the taps that they see: few classes, one large interior.

    Class c sees the taps ``tap[indptr[c]:indptr[c + 1]]``, each ``step`` after the first target
    position of a row, ``first``; its rows are ``order[order_indptr[c]:order_indptr[c + 1]]``.

    Examples
    --------
    >>> rows = RowClasses.of(np.array([0, 1, 3, 5]), np.array([1, 0, 1, 0, 1]),
    ...                      np.array([0, 0, 1, 1, 2]))
    >>> rows.order.tolist(), rows.order_indptr.tolist(), rows.first.tolist()
    ([0, 1, 2], [0, 1, 3], [0, 0, 1])
    >>> rows.tap.tolist(), rows.step.tolist()
    ([1, 0, 1], [0, 0, 1])
    """

    indptr: Ints
    tap: Ints
    step: Ints
    order_indptr: Ints
    order: Ints
    first: Ints

    @classmethod
    def of(cls, indptr: Ints, tap: Ints, position: Ints) -> RowClasses:
        """Sort the rows of a pattern (see `Conv.pattern`) into classes.

        Parameters
        ----------
        indptr : ndarray of int64, shape (n_rows + 1,)
        tap, position : ndarray of int64, shape (n_edges,)
            Of each edge of a row: the place in the kernel, and the target position.

        Returns
        -------
        RowClasses
        """
        lengths = np.diff(indptr)
        first = np.zeros(lengths.size, dtype=np.int64)
        first[lengths > 0] = position[indptr[:-1][lengths > 0]]
        step = position - np.repeat(first, lengths)
        labels = _labels(indptr, tap, step)
        order = np.argsort(labels, kind="stable")
        _, starts = np.unique(labels[order], return_index=True)
        examples = order[starts]
        edges = np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(indptr[r], indptr[r + 1]) for r in examples)]
        )
        ends = np.cumsum(lengths[examples])
        bounds = (np.concatenate([[0], ends]), np.concatenate([starts, [lengths.size]]))
        return cls(bounds[0], tap[edges], step[edges], bounds[1], order, first)


def _labels(indptr: Ints, tap: Ints, step: Ints) -> Ints:
    """Return a number for every row, the same for rows with the same taps and steps."""
    known: dict[bytes, int] = {}
    edges = np.stack([tap, step], axis=1)
    return np.array(
        [
            known.setdefault(edges[low:high].tobytes(), len(known))
            for low, high in zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True)
        ],
        dtype=np.int64,
    )
