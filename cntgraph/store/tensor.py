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
    import h5py

    from cntgraph.store.checked_file import CheckedFile


#: Where values lie together as they are in a file, and their type.
Place = tuple[int, np.dtype[Any]]


class StoredTensor:
    """A tensor in a file, read by slices when asked for.

    Parameters
    ----------
    store : CheckedFile
    path : str
        The dataset.
    shape : tuple of int
    dataset : h5py.Dataset, optional
        The dataset, where it was opened already.
    """

    def __init__(
        self,
        store: CheckedFile,
        path: str,
        shape: tuple[int, ...],
        dataset: h5py.Dataset | None = None,
    ) -> None:
        self.store, self.path, self.shape = store, path, shape
        if dataset is not None:  # which is not kept open: a network has many
            vars(self)["_place"] = _place_of(dataset)

    def __getstate__(self) -> dict[str, Any]:
        # Where it lies is looked up again: the file may be another one by then.
        return {name: vars(self)[name] for name in ("store", "path", "shape")}

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection."""
        with self.store.errors(self.path):
            rows = selected_rows(key, self.shape)
            if rows is None or self._place is None:
                return read_values(self.store.dataset(self.path), key)
            return read_rows(self.store, self.path, rows, self.shape, self._place)

    @cached_property
    def _place(self) -> Place | None:
        """Where its values lie together as they are, and their type; None if they do not."""
        return _place_of(self.store.dataset(self.path))


def _place_of(dataset: h5py.Dataset) -> Place | None:
    offset = dataset.id.get_offset()
    if dataset.chunks is not None or filters(dataset) or offset is None:
        return None
    return offset, dataset.dtype


def read_rows(
    store: CheckedFile, path: str, rows: range, shape: tuple[int, ...], place: Place
) -> NDArray[Any]:
    """Read whole rows of a tensor, which lie together.

    Parameters
    ----------
    store : CheckedFile
    path : str
        What is read, for the message of an error.
    rows : range
        Which ones.
    shape : tuple of int
        Of the tensor.
    place : (int, numpy.dtype)
        Where its values begin, and their type.

    Raises
    ------
    StoreError
        If the file ends before.
    """
    row, (offset, dtype) = shape[1:], place
    values = np.empty((len(rows), *row) if shape else (), dtype)
    start = offset + rows.start * prod(row) * dtype.itemsize
    n_read = bytes_of(store.file).read_at(start, values.reshape(-1).view(np.uint8).data)
    if n_read < values.nbytes:
        raise StoreError(f"{path} is cut off; copy the file again")
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
