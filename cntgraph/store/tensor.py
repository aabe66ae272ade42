"""Tensors in a file, which a parameter reads when they are needed, and those that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import read_values
from cntgraph.core.errors import StoreError

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

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection."""
        with self.store.errors(self.path):
            return read_values(self.store.dataset(self.path), key)


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
