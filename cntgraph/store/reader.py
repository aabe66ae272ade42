"""Reading cntgraph files: read-only, checked, tensors only when they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import CntGraphError, FormatError, GraphSizeError, StoreError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network
from cntgraph.store.description import rebuild_network
from cntgraph.store.disk import Paths
from cntgraph.store.hdf5 import read
from cntgraph.store.measured import StoredMeasures
from cntgraph.store.schema import check_parameters
from cntgraph.store.tensor import AbsentTensor, StoredTensor
from cntgraph.store.writer import FORMAT, FORMAT_VERSION, parameter_key

if TYPE_CHECKING:
    import h5py


def read_network(path: str | PathLike[str], snapshot: int = -1) -> Network:
    """Return the network of one snapshot of a cntgraph file, the last by default.

    Parameters
    ----------
    path : path-like
        The file.
    snapshot : int, default -1
        Which snapshot; negative numbers count from the end.

    Returns
    -------
    Network
        Its parameters are read from the file when needed.

    Raises
    ------
    StoreError
        If the file is damaged, newer, or has no such snapshot.
    """
    return StoreFile(path).network(snapshot)


class StoreFile:
    """A cntgraph file, open for reading.

    It can be pickled: it is then opened again where it is unpickled.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    FormatError
        If it is not a cntgraph file.
    StoreError
        If it is damaged or was written by a newer version.
    """

    _closed = False

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        paths = Paths.of(self.path)
        if not (paths.main.is_file() or paths.journal.exists()):
            raise FormatError(f"{self.path}: expected a cntgraph file (.h5), found no file")
        try:
            with self.errors("header"):
                self._check_header()
        except BaseException:
            self.close()
            raise

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
        self._closed = True
        if "file" in self.__dict__:
            self.__dict__.pop("file").close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path.absolute()}

    def __len__(self) -> int:
        """Return the number of snapshots."""
        with self.errors("snapshots"):
            return len(self._group("snapshots"))

    def labels(self, snapshot: int) -> dict[str, Any]:
        """Return what is known of a snapshot: step, epoch, accuracy, ….

        Parameters
        ----------
        snapshot : int

        Returns
        -------
        dict
        """
        number = self._number(snapshot)
        with self.errors(f"snapshots/{number}"):
            attributes = self._group(f"snapshots/{number}").attrs
            return {name: _attribute(attributes, name) for name in attributes}

    def network(self, snapshot: int = -1) -> Network:
        """Return the network of one snapshot.

        Parameters
        ----------
        snapshot : int, default -1
            Negative numbers count from the end.

        Returns
        -------
        Network
        """
        number = self._number(snapshot)
        labels = self.labels(number)
        if not self.has_parameters:
            raise StoreError(self._without_parameters)
        with self.errors(f"snapshots/{number}"):
            parameters = self._parameters(number)
        topology = self.topology
        with self.errors(f"snapshots/{number}"):
            return topology.bind(parameters, labels)

    @cached_property
    def topology(self) -> Network:
        """The network without a snapshot: what can be known of it without a weight."""
        with self.errors("network/description"):
            check_parameters(self.description)
            reason = f"{self.path}: a topology has no weights; take a snapshot, by its number"
            if not self.has_parameters:
                reason = self._without_parameters
            parameters = {}
            for entry in self.description["parameters"]:
                name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
                handle = AbsentTensor(shape, reason)
                parameters[name] = Parameter(name, shape, dtype, handle, bool(entry["trainable"]))
            net = rebuild_network(self.description, self._coverage, parameters, {}, self._array)
            self._arrays.clear()
            return net

    @cached_property
    def measures(self) -> StoredMeasures | None:
        """The measures of layers that were recorded; None where only parameters were."""
        return StoredMeasures(self) if self._version > 1 else None

    @property
    def has_parameters(self) -> bool:
        """Whether the snapshots have parameters."""
        return self.measures is None or self.measures.has_parameters

    @property
    def kind(self) -> str:
        """What the snapshots have: "parameters", "measures", or "both" (see `Recorder`)."""
        if self.measures is None:
            return "parameters"
        return "both" if self.measures.has_parameters else "measures"

    @property
    def _without_parameters(self) -> str:
        return (
            f'{self.path} was recorded with store="measures": there are no parameters to make a '
            "network of; use table(), analyze(), density() or divergence() of cntgraph.open(...), "
            "or its topology"
        )

    @cached_property
    def _arrays(self) -> dict[int, NDArray[Any]]:
        return {}

    @cached_property
    def _size(self) -> int:
        """Bytes of the file."""
        return int(self.file.id.get_filesize())

    @cached_property
    def description(self) -> dict[str, Any]:
        """The topology as JSON values (FORMAT.md)."""
        found: dict[str, Any] = json.loads(self.text("network/description"))
        return found

    @property
    def _coverage(self) -> list[Any]:
        return list(json.loads(self.text("coverage")))

    def _number(self, snapshot: int) -> int:
        n = len(self)
        if not -n <= snapshot < n:
            raise StoreError(f"{self.path}: expected a snapshot below {n}, got {snapshot}")
        return snapshot % n

    def _check_header(self) -> None:
        attributes = self.file.attrs
        if "format" not in attributes or _attribute(attributes, "format") != FORMAT:
            keras = "keras_version" in attributes
            hint = "a file of Keras" if keras else "an HDF5 file of another kind"
            raise FormatError(
                f"{self.path}: expected a cntgraph file, found {hint}; cntgraph.save or "
                "`cntgraph convert` writes one"
            )
        if self._version > FORMAT_VERSION:
            raise StoreError(
                f"{self.path}: written in format {self._version}, this cntgraph reads up to "
                f"{FORMAT_VERSION}: pip install --upgrade cntgraph"
            )

    @cached_property
    def _version(self) -> int:
        return int(_attribute(self.file.attrs, "format_version"))

    def _parameters(self, number: int) -> dict[str, Parameter]:
        found = {}
        check_parameters(self.description)
        for entry in self.description["parameters"]:
            name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
            path = f"snapshots/{number}/parameters/{parameter_key(name)}"
            self._check_tensor(path, shape, dtype)
            handle = StoredTensor(self, path, shape)
            found[name] = Parameter(name, shape, dtype, handle, bool(entry["trainable"]))
        return found

    def _check_tensor(self, path: str, shape: tuple[int, ...], dtype: str) -> None:
        dataset, stored = self.dataset(path), storage_dtype(dtype)
        if dataset.shape != shape or dataset.dtype != stored:
            raise StoreError(
                f"{self.path}: {path} is damaged: expected {stored} of shape {shape}, found "
                f"{dataset.dtype} of shape {dataset.shape}"
            )
        check_stored(dataset, self._size)

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

        found = self._resolve(path)
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise StoreError(
                f"{self.path}: {path} is not a dataset stored in this file; files that refer to "
                "other files are refused"
            )
        return found

    def _group(self, path: str) -> h5py.Group:
        import h5py

        found = self._resolve(path)
        if not isinstance(found, h5py.Group):
            raise StoreError(f"{self.path}: {path} is damaged (not a group)")
        return found

    def _resolve(self, path: str) -> Any:
        """Follow a path step by step, along hard links only."""
        import h5py

        found: Any = self.file
        for step in path.split("/"):
            link = found.get(step, getlink=True)
            if link is None:
                raise StoreError(f"{self.path}: {path} is missing; the file is damaged")
            if not isinstance(link, h5py.HardLink):
                raise StoreError(f"{self.path}: {path} is a link; files with links are refused")
            found = found[step]
        return found

    def check_stored(self, dataset: h5py.Dataset) -> None:
        """Refuse a dataset that claims more values than the file can hold."""
        check_stored(dataset, self._size)

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
        check_stored(dataset, self._size)
        return str(dataset.asstr()[()])

    def _array(self, number: int) -> NDArray[Any]:
        """Return an array of the topology; it is read once, however many refer to it."""
        if number not in self._arrays:
            dataset = self.dataset(f"network/arrays/{int(number)}")
            kind = dataset.dtype.kind
            if kind not in "iuf":
                raise StoreError(f"network/arrays/{number} is damaged: it is of {dataset.dtype}")
            wide = np.float64 if kind == "f" else np.int64
            check_stored(dataset, self._size, wide)
            self._arrays[number] = read_values(dataset).astype(wide, copy=False)
        return self._arrays[number]

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


def _attribute(attributes: h5py.AttributeManager, name: str) -> Any:
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
