"""Labels of snapshots, as they are written: plain numbers, strings and booleans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cntgraph.core.errors import StoreError


class EachLabels:
    """Labels of networks that are saved together: a value for all of them, or one for each.

    Parameters
    ----------
    labels : mapping
        By name, values or sequences of them.
    alone : bool
        Whether it is one network, of which each label has one value.

    Examples
    --------
    >>> labels = EachLabels({"epoch": [0, 5], "seed": 7}, alone=False)
    >>> labels.of(1)
    {'epoch': 5, 'seed': 7}
    """

    def __init__(self, labels: Mapping[str, Any], *, alone: bool) -> None:
        self._labels = {
            name: list(value) if is_sequence(value) else value for name, value in labels.items()
        }
        if alone:
            self._refuse_sequences()

    def of(self, k: int) -> dict[str, Any]:
        """Return the labels of network number `k`, without those that have too few values."""
        return {
            name: value[k] if isinstance(value, list) else value
            for name, value in self._labels.items()
            if not isinstance(value, list) or k < len(value)
        }

    def check(self, n: int) -> None:
        """Raise if a sequence has not one value for each of `n` networks.

        Raises
        ------
        StoreError
        """
        for name, value in self._labels.items():
            if isinstance(value, list) and len(value) != n:
                raise StoreError(
                    f"label {name!r}: expected a value for each of {n} networks, or one for all; "
                    f"got {len(value)}"
                )

    def _refuse_sequences(self) -> None:
        for name, value in self._labels.items():
            if isinstance(value, list):
                raise StoreError(
                    f"label {name!r}: expected one value for one network, got a sequence of "
                    f"{len(value)}; a list of networks takes one for each"
                )


def is_sequence(value: object) -> bool:
    """Return whether a value stands for one of each network: a list, an array, a column.

    Examples
    --------
    >>> is_sequence([1, 2]), is_sequence(np.arange(2)), is_sequence("ab"), is_sequence(np.int64(3))
    (True, True, False, False)
    """
    if isinstance(value, Sequence):
        return not isinstance(value, str | bytes)
    return getattr(value, "ndim", 0) == 1


def check_labels(labels: Mapping[str, Any]) -> dict[str, Any]:
    """Return labels as plain numbers, strings and booleans; None is left out.

    Raises
    ------
    StoreError
        If one is of another type.

    Examples
    --------
    >>> check_labels({"step": np.int64(3), "note": None})
    {'step': 3}
    """
    checked = {}
    for name, value in labels.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None:
            continue
        if isinstance(plain, int) and not -(2**63) <= plain < 2**64:
            raise StoreError(f"label {name!r}: {plain} takes more than 64 bits; pass a str")
        if isinstance(plain, str) and "\0" in plain:
            raise StoreError(f"label {name!r}: a text in HDF5 cannot hold the character NUL")
        if not isinstance(plain, int | float | str | bool):
            raise StoreError(
                f"label {name!r}: expected a number, a string or a boolean, got "
                f"{type(value).__name__}; convert it, for example with float() or .item()"
            )
        checked[name] = plain
    return checked
