"""SnapshotGroups: the snapshots of a file in which each is a group of its own (FORMAT.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from cntgraph.core.bounded_hdf5 import check_stored
from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.store.checked_file import CheckedFile, attribute
from cntgraph.store.parameter_key import parameter_key
from cntgraph.store.tensor import StoredTensor


class SnapshotGroups:
    """The snapshots of a file in which each is a group of its own.

    Parameters
    ----------
    store : CheckedFile
    """

    def __init__(self, store: CheckedFile) -> None:
        self._store = store

    @cached_property
    def n(self) -> int:
        """Number of snapshots."""
        return len(self._store.group("snapshots"))

    def labels(self, number: int) -> dict[str, Any]:
        """Return what is known of a snapshot."""
        attributes = self._store.group(f"snapshots/{number}").attrs
        return {name: attribute(attributes, name) for name in attributes}

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
        found = {}
        for name, described in like.items():
            path = f"snapshots/{number}/parameters/{parameter_key(name)}"
            found[name] = replace(described, data=self._tensor(path, described))
        return found

    def _tensor(self, path: str, described: Parameter) -> StoredTensor:
        dataset, stored = self._store.dataset(path), storage_dtype(described.dtype)
        if dataset.shape != described.shape or dataset.dtype != stored:
            raise StoreError(
                f"{self._store.path}: {path} is damaged: expected {stored} of shape "
                f"{described.shape}, found {dataset.dtype} of shape {dataset.shape}"
            )
        check_stored(dataset, self._store.n_bytes)
        return StoredTensor(self._store, path, described.shape, dataset)
