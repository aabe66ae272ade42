"""A file of which nothing is believed: what is read lies in it, and is as large as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.bounded_hdf5 import check_stored
from cntgraph.core.errors import CntGraphError, FormatError, GraphSizeError, StoreError
from cntgraph.store.hdf5 import read

if TYPE_CHECKING:
    import h5py


class CheckedFile:
    """An HDF5 file, open for reading; its parts are checked before they are read.

    Parameters
    ----------
    path : Path
        The file; it is opened when something is read.
    """

    _closed = False
    #: The group that was looked into last, and its path.
    _last: tuple[str, Any] = ("", None)

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def file(self) -> h5py.File:
        """The open file."""
        import h5py

        if self._closed:
            # Not opened again: another file may have its name by now.
            raise StoreError(f"{self.path} was closed; open it again to read from it")
        try:
            return read(self.path)
        except StoreError:
            raise
        except OSError:
            if h5py.is_hdf5(self.path):
                raise
            raise FormatError(
                f"{self.path}: expected a cntgraph file (.h5), which is HDF5; found another kind "
                "of file, or a damaged one"
            ) from None

    def close(self) -> None:
        """Close the file; networks read from it can no longer read their parameters."""
        self._closed, self._last = True, ("", None)
        if "file" in self.__dict__:
            self.__dict__.pop("file").close()

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of the file."""
        return int(self.file.id.get_filesize())

    @cached_property
    def description(self) -> dict[str, Any]:
        """The topology as JSON values (FORMAT.md)."""
        found: dict[str, Any] = json.loads(self.text("network/description"))
        return found

    def dataset(self, path: str) -> h5py.Dataset:
        """Return a dataset of the file, refusing whatever lies outside it.

        Parameters
        ----------
        path : str

        Returns
        -------
        h5py.Dataset
        """
        import h5py

        opened = self._resolve(path)
        found = h5py.Dataset(opened) if isinstance(opened, h5py.h5d.DatasetID) else None
        if found is None or found.external or found.is_virtual:
            raise StoreError(
                f"{self.path}: {path} is not a dataset stored in this file; files that refer to "
                "other files are refused"
            )
        return found

    def group(self, path: str) -> h5py.Group:
        """Return a group of the file, as `dataset`."""
        import h5py

        opened = self._resolve(path)
        if not isinstance(opened, h5py.h5g.GroupID):
            raise StoreError(f"{self.path}: {path} is damaged (not a group)")
        return h5py.Group(opened)

    def _resolve(self, path: str, whole: str = "") -> Any:
        """Open what a path, or the first steps of a whole one, leads to along hard links only.

        By h5py's lower level, as trajectories have very many tensors.
        """
        import h5py

        parent, _, step = path.rpartition("/")
        whole, key = whole or path, step.encode()
        within = self._parent(parent, whole) if parent else self.file.id
        if not within.links.exists(key):
            raise StoreError(f"{self.path}: {whole} is missing; the file is damaged")
        if within.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise StoreError(f"{self.path}: {whole} is a link; files with links are refused")
        return h5py.h5o.open(within, key)

    def _parent(self, path: str, whole: str) -> Any:
        """Return a group on the way; the last one stays open, as what it has is read together."""
        _ = self.file  # says so where it was closed
        last = self._last
        if last[0] != path:  # another thread may ask for another one meanwhile
            last = self._last = (path, self._resolve(path, whole))
        return last[1]

    def check_stored(self, dataset: h5py.Dataset) -> None:
        """Refuse a dataset that claims more values than the file can hold."""
        check_stored(dataset, self.n_bytes)

    def text(self, path: str) -> str:
        """Return a text of the file.

        Parameters
        ----------
        path : str

        Returns
        -------
        str
        """
        import h5py

        dataset = self.dataset(path)
        kind = h5py.check_string_dtype(dataset.dtype)
        if dataset.shape != () or kind is None or kind.length is None:
            raise StoreError(f"{self.path}: {path} is damaged (not a text of fixed length)")
        check_stored(dataset, self.n_bytes)
        return str(dataset.asstr()[()])

    @contextmanager
    def errors(self, part: str) -> Iterator[None]:
        """Turn what h5py and damaged contents raise into an error that names the part."""
        try:
            yield
        except CntGraphError as error:
            if str(error).startswith(str(self.path)):
                raise
            kind = GraphSizeError if isinstance(error, GraphSizeError) else StoreError
            raise kind(f"{self.path}: {part}: {error}") from error
        except Exception as error:  # what h5py and rebuilding raise on damaged contents is endless
            raise StoreError(
                f"{self.path}: {part} is damaged or not what was expected "
                f"({type(error).__name__}: {error}); copy the file again, or record it again"
            ) from error


def attribute(attributes: h5py.AttributeManager, name: str) -> Any:
    """Return a number, a text or a boolean; nothing else is let in, nor read."""
    import h5py

    stored = attributes.get_id(name)
    text = h5py.check_string_dtype(stored.dtype)
    known = stored.dtype.kind in "iufb" if text is None else text.length is not None
    if not known or stored.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
        raise StoreError(f"attribute {name!r} is damaged (not a number or a text of fixed length)")
    value = attributes[name]
    plain = value.item() if isinstance(value, np.generic) else value
    return plain.decode() if isinstance(plain, bytes) else plain
