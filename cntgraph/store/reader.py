"""Reading cntgraph files: read-only, checked, tensors only when they are needed."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network
from cntgraph.store.checked_file import CheckedFile, attribute
from cntgraph.store.description import rebuild_network
from cntgraph.store.disk import Paths
from cntgraph.store.measured import StoredMeasures
from cntgraph.store.neurons import StoredNeurons
from cntgraph.store.schema import check_parameters
from cntgraph.store.snapshot_groups import SnapshotGroups
from cntgraph.store.snapshot_stack import SnapshotStack
from cntgraph.store.stack_writer import STACK_VERSION
from cntgraph.store.tensor import AbsentTensor
from cntgraph.store.writer import FORMAT, FORMAT_VERSION, GRAPH_FORMAT


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


class StoreFile(CheckedFile):
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

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__(Path(path))
        paths = Paths.of(self.path)
        if not (paths.main.is_file() or paths.journal.exists()):
            raise FormatError(f"{self.path}: expected a cntgraph file (.h5), found no file")
        try:
            with self.errors("header"):
                self._check_header()
        except BaseException:
            self.close()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path.absolute()}

    def __len__(self) -> int:
        """Return the number of snapshots."""
        _ = self.file  # says so where it was closed
        with self.errors("snapshots"):
            return self.snapshots.n

    @cached_property
    def snapshots(self) -> SnapshotStack | SnapshotGroups:
        """The snapshots, in the form that the file's version has."""
        return SnapshotStack(self) if self._version >= STACK_VERSION else SnapshotGroups(self)

    def labels(self, snapshot: int) -> dict[str, Any]:
        """Return what is known of a snapshot: step, epoch, accuracy, ….

        Parameters
        ----------
        snapshot : int

        Returns
        -------
        dict
        """
        number = self.number(snapshot)
        with self.errors(f"snapshots/{number}"):
            return self.snapshots.labels(number)

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
        number = self.number(snapshot)
        labels, parameters, topology = self.labels(number), self.parameters(number), self.topology
        with self.errors(f"snapshots/{number}"):
            return topology.bind(parameters, labels)

    def parameters(self, snapshot: int) -> dict[str, Parameter]:
        """Return the parameters of one snapshot, which are read when they are needed."""
        number = self.number(snapshot)
        if not self.has_parameters:
            raise StoreError(self._without_parameters)
        with self.errors(f"snapshots/{number}"):
            return self.snapshots.parameters(number, self.described)

    @cached_property
    def described(self) -> dict[str, Parameter]:
        """The parameters that each snapshot has, as the description says; without their values."""
        check_parameters(self.description)
        reason = f"{self.path}: a topology has no weights; take a snapshot, by its number"
        if not self.has_parameters:
            reason = self._without_parameters
        parameters = {}
        for entry in self.description["parameters"]:
            name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
            handle = AbsentTensor(shape, reason)
            parameters[name] = Parameter(name, shape, dtype, handle, bool(entry["trainable"]))
        return parameters

    @cached_property
    def topology(self) -> Network:
        """The network without a snapshot: what can be known of it without a weight."""
        with self.errors("network/description"):
            net = rebuild_network(self.description, self._coverage, self.described, {}, self._array)
            self._arrays.clear()
            return net

    @cached_property
    def measures(self) -> StoredMeasures | None:
        """The measures of layers that were recorded; None where only parameters were."""
        has = self._version == 2 or (self._version > 2 and "measures" in self.file)
        return StoredMeasures(self) if has else None

    @cached_property
    def neurons(self) -> StoredNeurons | None:
        """The summaries of neurons over data that were recorded; None where there are none."""
        has = self._version >= 4 and "neurons" in self.file
        return StoredNeurons(self) if has else None

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

    @property
    def _coverage(self) -> list[Any]:
        return list(json.loads(self.text("coverage")))

    def number(self, snapshot: int) -> int:
        """Return the number of a snapshot from 0; negative ones count from the end."""
        n = len(self)
        if not -n <= snapshot < n:
            raise StoreError(f"{self.path}: expected a snapshot below {n}, got {snapshot}")
        return snapshot % n

    def _check_header(self) -> None:
        attributes = self.file.attrs
        if "format" not in attributes or attribute(attributes, "format") != FORMAT:
            hint = "an HDF5 file of another kind"
            if "keras_version" in attributes:
                hint = "a file of Keras"
            elif "format" in attributes and attribute(attributes, "format") == GRAPH_FORMAT:
                hint = "an explicit graph (open it with cntgraph.open_graph)"
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
        return int(attribute(self.file.attrs, "format_version"))

    def _array(self, number: int) -> NDArray[Any]:
        """Return an array of the topology; it is read once, however many refer to it."""
        if number not in self._arrays:
            dataset = self.dataset(f"network/arrays/{int(number)}")
            kind = dataset.dtype.kind
            if kind not in "iuf":
                raise StoreError(f"network/arrays/{number} is damaged: it is of {dataset.dtype}")
            wide = np.float64 if kind == "f" else np.int64
            check_stored(dataset, self.n_bytes, wide)
            self._arrays[number] = read_values(dataset).astype(wide, copy=False)
        return self._arrays[number]
