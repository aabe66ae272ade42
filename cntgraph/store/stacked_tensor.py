"""TensorStack: a tensor in all snapshots of a file; StackedTensor: in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import check_stored, filters, read_values
from cntgraph.core.errors import StoreError
from cntgraph.core.selection import selected_rows
from cntgraph.store.tensor import Place, read_rows

if TYPE_CHECKING:
    import h5py

    from cntgraph.store.checked_file import CheckedFile

#: Rows that are read in one piece, at most, for each that is asked for.
_READ_THROUGH: Final = 4
#: Bytes of a row that is read without HDF5, by many threads at once.
_LARGE: Final = 1 << 20


class TensorStack:
    """A tensor in all snapshots of a file: the rows of one dataset.

    Parameters
    ----------
    store : CheckedFile
    path : str
        The dataset.
    shape : tuple of int
        Number of snapshots, and shape of the tensor.
    dtype : numpy.dtype
        The stored type.
    """

    def __init__(
        self, store: CheckedFile, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.store, self.path, self.shape, self.dtype = store, path, shape, dtype

    def __getstate__(self) -> dict[str, Any]:
        # The dataset is looked up again: the file may be another one by then.
        return {name: vars(self)[name] for name in ("store", "path", "shape", "dtype")}

    def check(self) -> None:
        """Refuse a dataset that is not as described.

        Raises
        ------
        StoreError
        """
        if prod(self.shape[1:]):
            self._open()

    def rows(self, numbers: Sequence[int]) -> NDArray[Any]:
        """Return the tensor in several snapshots, in whatever order."""
        if not (prod(self.shape[1:]) and len(numbers)):
            return np.empty((len(numbers), *self.shape[1:]), self.dtype)
        with self.store.errors(self.path):
            dataset = self._open()
            wanted, places = np.unique(np.asarray(numbers), return_inverse=True)
            some = _pieces(wanted)
            read = [read_values(dataset, slice(low, high)) for low, high in some]
            values = read[0] if len(read) == 1 else np.concatenate(read)
            if len(values) == len(numbers) and (places == np.arange(len(places))).all():
                return values
            starts = np.concatenate([np.arange(low, high) for low, high in some])
            return values[np.searchsorted(starts, wanted)[places]]

    def row(self, number: int, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection of the tensor in one snapshot."""
        shape = self.shape[1:]
        if not prod(shape):
            return np.asarray(np.empty(shape, self.dtype)[key])
        with self.store.errors(self.path):
            dataset, rows = self._open(), selected_rows(key, shape)
            if rows is not None and self._is_read_directly:
                return read_rows(self.store, self.path, rows, shape, self._place(dataset, number))
            given = key if isinstance(key, tuple) else (key,)
            if all(isinstance(part, slice) for part in given):
                return np.asarray(read_values(dataset, (slice(number, number + 1), *given))[0])
            return np.asarray(read_values(dataset, slice(number, number + 1))[0][key])

    def _open(self) -> h5py.Dataset:
        """Return the dataset, which was checked; a file that was closed says so."""
        _ = self.store.file
        return self._dataset

    @cached_property
    def _dataset(self) -> h5py.Dataset:
        dataset, shape = self.store.dataset(self.path), self.shape
        short = dataset.ndim == 0 or dataset.shape[0] < shape[0]
        if short or dataset.shape[1:] != shape[1:] or dataset.dtype != self.dtype:
            raise StoreError(
                f"{self.store.path}: {self.path} is damaged: expected {self.dtype} of shape "
                f"{shape} or more rows, found {dataset.dtype} of shape {dataset.shape}"
            )
        check_stored(dataset, self.store.n_bytes)
        return dataset

    @cached_property
    def _is_read_directly(self) -> bool:
        """Whether the values of a row lie together as they are, and it is worth asking where.

        HDF5 tells it by walking along all chunks before.
        """
        dataset = self._dataset
        if prod(self.shape[1:]) * self.dtype.itemsize < _LARGE:
            return False
        whole = dataset.chunks is not None and dataset.chunks[1:] == self.shape[1:]
        # HDF5 counts from behind what a program may have put before the file proper.
        return whole and not filters(dataset) and not self.store.file.userblock_size

    def _place(self, dataset: h5py.Dataset, number: int) -> Place:
        within = number % dataset.chunks[0]
        first = (number - within, *(0 for _ in self.shape[1:]))
        chunk = dataset.id.get_chunk_info_by_coord(first)
        if chunk.byte_offset is None:
            raise StoreError(f"{self.path} is damaged: the values of snapshot {number} are missing")
        row = prod(self.shape[1:]) * self.dtype.itemsize
        return chunk.byte_offset + within * row, dataset.dtype


def _pieces(wanted: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the pieces in which ascending numbers are read: one, if little is read in vain."""
    low, high = int(wanted[0]), int(wanted[-1]) + 1
    if high - low <= _READ_THROUGH * len(wanted):
        return [(low, high)]
    cuts = np.flatnonzero(np.diff(wanted) > 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(wanted, cuts)]


class StackedTensor:
    """A tensor in one snapshot of a file, read by slices when asked for.

    Parameters
    ----------
    stack : TensorStack
    number : int
        Of the snapshot.
    """

    def __init__(self, stack: TensorStack, number: int) -> None:
        self.stack, self.number, self.shape = stack, number, stack.shape[1:]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection."""
        return self.stack.row(self.number, key)
