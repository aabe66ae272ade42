"""StoredTensor: a tensor in a file, which a parameter reads when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.errors import StoreError

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
        try:
            return np.asarray(self.store.dataset(self.path)[key])
        except StoreError:
            raise
        except Exception as error:  # h5py raises all kinds, RuntimeError and KeyError among them
            raise StoreError(
                f"{self.store.path}: {self.path} cannot be read ({error}); the file is damaged"
            ) from error
