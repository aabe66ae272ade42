"""Tensors in a file, which a parameter reads when they are needed, and those that are not there."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import filters, read_values
from cntgraph.core.errors import StoreError
from cntgraph.core.selection import selected_rows
from cntgraph.store.hdf5 import bytes_of

if TYPE_CHECKING:
    from cntgraph.store.checked_file import CheckedFile


class StoredTensor:
    """A tensor in a file, read by slices when asked for.

    Parameters
    ----------
    store : CheckedFile
    path : str
        The dataset.
    shape : tuple of int
    """

    def __init__(self, store: CheckedFile, path: str, shape: tuple[int, ...]) -> None:
        self.store, self.path, self.shape = store, path, shape

    def __getstate__(self) -> dict[str, Any]:
        # Where it lies is looked up again: the file may be another one by then.
        return {name: vars(self)[name] for name in ("store", "path", "shape")}

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection."""
        with self.store.errors(self.path):
            rows = selected_rows(key, self.shape)
            if rows is None or self._place is None:
                return read_values(self.store.dataset(self.path), key)
            return self._read(rows, *self._place)

    @cached_property
    def _place(self) -> tuple[int, np.dtype[Any]] | None:
        """Where its values lie together as they are, and their type; None if they do not."""
        dataset = self.store.dataset(self.path)
        offset = dataset.id.get_offset()
        if dataset.chunks is not None or filters(dataset) or offset is None:
            return None
        return offset, dataset.dtype

    def _read(self, rows: range, offset: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read whole rows, which lie together."""
        row = self.shape[1:]
        values = np.empty((len(rows), *row) if self.shape else (), dtype)
        start = offset + rows.start * prod(row) * dtype.itemsize
        n_read = bytes_of(self.store.file).read_at(start, values.reshape(-1).view(np.uint8).data)
        if n_read < values.nbytes:
            raise StoreError(f"{self.path} is cut off; copy the file again")
        return values


class AbsentTensor:
    """A tensor of which a file has the shape alone; reading it is an error that says so.

    Parameters
    ----------
    shape : tuple of int
    reason : str
        The message of the error.
    """

    def __init__(self, shape: tuple[int, ...], reason: str) -> None:
        self.shape, self.reason = shape, reason

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Raise a `StoreError`."""
        raise StoreError(self.reason)
