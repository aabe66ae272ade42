"""Classes: the samples of batches told apart by their labels, for one result per class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError, InputShapeError
from cntgraph.core.types import Array


class Labeled(Protocol):
    """Samples that may have labels, and of which some can be taken."""

    @property
    def labels(self) -> Array | None:
        """The class of each sample, shape (n_samples,)."""

    def __len__(self) -> int: ...

    def of(self, chosen: Any, /) -> Self:
        """Return the samples that are chosen."""


Samples = TypeVar("Samples", bound=Labeled)
Found = TypeVar("Found")


class Classes:
    """By what samples are told apart, if they are.

    Parameters
    ----------
    by : array-like of shape (n_samples,), "labels", or None
        The class of each sample; ``"labels"`` for those that come with the batches, as pairs of
        inputs and labels; None for samples that are all alike.

    Raises
    ------
    CntGraphError
        If it is another text.

    Examples
    --------
    >>> from cntgraph.activity.inputs import InputBatch
    >>> batch = InputBatch((np.arange(6.0).reshape(3, 2),), np.array([1, 0, 1]))
    >>> [(label, len(part)) for label, part in Classes("labels").parts(batch)]
    [(1, 2), (0, 1)]
    >>> Classes("labels").result({1: "a", 0: "b"}), Classes(None).result({None: "c"})
    ({0: 'b', 1: 'a'}, 'c')
    """

    def __init__(self, by: Any) -> None:
        if isinstance(by, str) and by != "labels":
            raise CntGraphError(
                "expected by to be an array of one class per sample, or 'labels' for those of "
                f"batches that are pairs of inputs and labels; got {by!r}"
            )
        self.wanted = by is not None
        #: What is read in place of the batches' own labels.
        self.given = None if isinstance(by, str) else by

    def of(self, batch: Labeled) -> dict[Any, NDArray[np.bool_] | slice]:
        """Return which samples of a batch are of each class, in the order of their first.

        Raises
        ------
        InputShapeError
            If they are told apart, and have no labels.
        """
        if not self.wanted:
            return {None: slice(None)}
        if batch.labels is None:
            raise InputShapeError(
                "expected batches that are pairs of inputs and labels, for by='labels'; got "
                "inputs alone. Pass by= an array of one class per sample instead"
            )
        labels = batch.labels
        return {label: labels == label for label in dict.fromkeys(labels.tolist())}

    def parts(self, batch: Samples) -> list[tuple[Any, Samples]]:
        """Return the samples of each class of a batch; the whole of it where all are alike."""
        if not self.wanted:
            return [(None, batch)]
        return [(label, batch.of(chosen)) for label, chosen in self.of(batch).items()]

    def result(self, found: Mapping[Any, Found]) -> Found | dict[Any, Found]:
        """Return what was found by class, in their order; or of all, where these are alike."""
        return in_order(found) if self.wanted else found[None]


def in_order(found: Mapping[Any, Found]) -> dict[Any, Found]:
    """Return what was found by class, in the order of the labels as text."""
    return {label: found[label] for label in sorted(found, key=str)}
