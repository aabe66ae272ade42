"""SnapshotStack: the snapshots of a file as the rows of one dataset a parameter (FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.store.checked_file import CheckedFile, attribute
from cntgraph.store.parameter_key import parameter_key
from cntgraph.store.stacked_tensor import StackedTensor, TensorStack

#: Bytes of the shortest line: an object without labels.
_SHORTEST: Final = len(b"{}\n")


class SnapshotStack:
    """The snapshots of a file as the rows of one dataset a parameter.

    Parameters
    ----------
    store : CheckedFile
        The file, of format version 5.
    """

    def __init__(self, store: CheckedFile) -> None:
        self._store = store
        self._stacks: dict[str, TensorStack] = {}

    @property
    def n(self) -> int:
        """Number of snapshots."""
        return self._sizes[0]

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Snapshots, and bytes of their labels, none of them beyond what the file holds."""
        attributes = self._store.group("stack").attrs
        n, n_bytes = (attribute(attributes, name) for name in ("n_snapshots", "n_label_bytes"))
        dataset = self._store.dataset("stack/labels")
        if dataset.ndim != 1 or dataset.dtype != np.uint8:
            raise StoreError(
                f"stack/labels is damaged: expected a row of uint8, found {dataset.dtype} of shape "
                f"{dataset.shape}"
            )
        check_stored(dataset, self._store.n_bytes)
        if not (type(n) is type(n_bytes) is int and 0 <= _SHORTEST * n <= n_bytes <= len(dataset)):
            raise StoreError(
                f"stack is damaged: it declares {n!r} snapshots with {n_bytes!r} bytes of labels, "
                f"and has {len(dataset):,}"
            )
        return n, n_bytes

    def labels(self, number: int) -> dict[str, Any]:
        """Return what is known of a snapshot."""
        return dict(self._labels[number])

    @cached_property
    def _labels(self) -> list[dict[str, Any]]:
        n, n_bytes = self._sizes
        dataset = self._store.dataset("stack/labels")
        text = read_values(dataset, slice(0, n_bytes)).tobytes().decode()
        *lines, rest = text.split("\n")
        if rest or len(lines) != n:
            raise StoreError(f"stack/labels is damaged: expected {n} lines, found {len(lines)}")
        return [_labels_of(line) for line in lines]

    def parameters(self, number: int, like: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Return the parameters of a snapshot, which are read when they are needed.

        Parameters
        ----------
        number : int
        like : mapping of str to Parameter
            The described ones.

        Raises
        ------
        StoreError
            If one is not as described.
        """
        return {
            name: replace(described, data=StackedTensor(self._stack(described), number))
            for name, described in like.items()
        }

    def rows(self, numbers: Sequence[int], like: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Return the values of each parameter in several snapshots, of shape (n, *its own).

        Parameters
        ----------
        numbers : sequence of int
        like : mapping of str to Parameter
            The described ones.

        Raises
        ------
        StoreError
            If one is not as described.
        """
        found = {}
        for name, described in like.items():
            values = self._stack(described).rows(numbers)
            found[name] = replace(described, shape=values.shape, data=values)
        return found

    def _stack(self, described: Parameter) -> TensorStack:
        """Return the rows of a parameter; they are looked up once."""
        name = described.name
        if name not in self._stacks:
            path = f"stack/parameters/{parameter_key(name)}"
            stored = storage_dtype(described.dtype)
            self._stacks[name] = TensorStack(self._store, path, (self.n, *described.shape), stored)
        self._stacks[name].check()
        return self._stacks[name]


def _labels_of(line: str) -> dict[str, Any]:
    labels = json.loads(line)
    if type(labels) is not dict:
        raise StoreError(f"stack/labels is damaged: expected an object, found {line[:40]!r}")
    for name, value in labels.items():
        known = isinstance(value, float | str | bool)
        if not known and not (isinstance(value, int) and -(2**63) <= value < 2**64):
            raise StoreError(
                f"stack/labels is damaged: the label {name!r} is no number of at most 64 bits, no "
                "text and no boolean"
            )
    return labels
