"""StoredTensor: a tensor in a file, which a parameter reads when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cntgraph.store.packed import read_values

if TYPE_CHECKING:
    from cntgraph.store.reader import StoreFile


class StoredTensor:
    """A tensor in a file, read by slices when asked for.

    Parameters
    ----------
    store : StoreFile
    path : str
        The dataset.
    shape : tuple of int
    """

    def __init__(self, store: StoreFile, path: str, shape: tuple[int, ...]) -> None:
        self.store, self.path, self.shape = store, path, shape

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection."""
        with self.store.errors(self.path):
            return read_values(self.store.dataset(self.path), key)
