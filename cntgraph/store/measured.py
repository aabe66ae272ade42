"""Measures of layers in a file: the table of `analyze`, and histograms (see FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import read_values
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.core.types import Values
from cntgraph.network.blocks.histogram import N_COUNTS, Bins, Counts, LayerBins
from cntgraph.network.layer import Layer
from cntgraph.store.checked_file import CheckedFile
from cntgraph.store.schema import check_measures
from cntgraph.store.writer import fixed_text

if TYPE_CHECKING:
    import h5py
    import pandas as pd

#: One row per layer of the table of `analyze`.
Rows = Sequence[Mapping[str, Any]]

#: Columns of `analyze` that are no measures: they follow from the topology, or are the status.
_NOT_MEASURED = ("layer", "kind", "shape", "activation", "status")
#: What a layer's status can be, in the order of their codes.
_STATUSES = ("ok", "no edges", "non-finite weights", "empty")
#: Histograms of one packed chunk.
_CHUNK = 64


def write_measures_head(file: h5py.File, bins: LayerBins, rows: Rows, *, parameters: bool) -> None:
    """Write what the measures of all snapshots have in common into a file with a topology.

    Parameters
    ----------
    file : h5py.File
    bins : dict of (measure, layer) to Bins
        In which bins the values are counted.
    rows : sequence of mapping
        What `analyze` found at the first snapshot, for its columns.
    parameters : bool
        Whether the snapshots have parameters as well.
    """
    first = rows[0] if rows else {}
    description = {
        "parameters": parameters,
        "columns": [
            {"name": name, "whole": isinstance(value, int)}
            for name, value in first.items()
            if name not in _NOT_MEASURED
        ],
        "statuses": list(_STATUSES),
        "histograms": [{"measure": measure, "layer": layer} for measure, layer in bins],
    }
    _write_head(file, description, bins)


def _write_head(file: h5py.File, description: Mapping[str, Any], bins: LayerBins) -> None:
    file["measures/description"] = fixed_text(json.dumps(description))
    file["measures/bins"] = _places(bins)


def check_bins(file: h5py.File, bins: LayerBins) -> None:
    """Refuse to append histograms that were counted in other bins than those of the file.

    Parameters
    ----------
    file : h5py.File
    bins : dict of (measure, layer) to Bins

    Raises
    ------
    StoreError
    """
    path = "measures/bins"
    if path not in file or not np.array_equal(file[path][()], _places(bins)):
        raise StoreError(
            f"{file.filename}: expected the file that was there when the Recorder was made, found "
            "one that was begun by another; make a new Recorder"
        )


def _places(bins: LayerBins) -> NDArray[np.float64]:
    places = [(own.center, own.spread) for own in bins.values()]
    return np.array(places, dtype=np.float64).reshape(-1, 2)


def write_measures(group: h5py.Group, rows: Rows, counts: NDArray[np.int64]) -> None:
    """Write the measures of one snapshot into its group.

    Parameters
    ----------
    group : h5py.Group
    rows : sequence of mapping
        What `analyze` found, one row per layer.
    counts : ndarray of int64, shape (n of the bins, 515)
        The histograms.
    """
    names = [name for name in (rows or [{}])[0] if name not in _NOT_MEASURED]
    values = [[row[name] for name in names] for row in rows]
    codes = [_STATUSES.index(row["status"]) for row in rows]
    layers = np.array(values, dtype=np.float64).reshape(-1, len(names))
    _write_arrays(group, layers, np.array(codes, dtype=np.uint8), counts)


def _write_arrays(
    group: h5py.Group, layers: Values, codes: NDArray[np.uint8], counts: NDArray[np.int64]
) -> None:
    group["measures/layers"], group["measures/status"] = layers, codes
    packing: dict[str, Any] = {}
    if counts.size:  # most of the counts are zero
        chunks = (min(len(counts), _CHUNK), N_COUNTS)
        packing = {"chunks": chunks, "compression": 1, "shuffle": True}
    group.create_dataset("measures/histograms", data=counts, **packing)


class StoredMeasures:
    """The measures in a file.

    Parameters
    ----------
    store : CheckedFile
        The file, of format version 2.

    Attributes
    ----------
    has_parameters : bool
        Whether the snapshots have parameters as well.
    bins : dict of (measure, layer) to Bins
        The distributions of which there are histograms.
    """

    def __init__(self, store: CheckedFile) -> None:
        self._store = store
        with store.errors("measures/description"):
            found = json.loads(store.text("measures/description"))
            names = [layer["name"] for layer in store.description["layers"]]
            check_measures(found, names)
            self._description: Mapping[str, Any] = found
            self.has_parameters: bool = found["parameters"]
            self._columns: list[Mapping[str, Any]] = found["columns"]
            self._statuses: list[str] = found["statuses"]
            keys = [(entry["measure"], entry["layer"]) for entry in found["histograms"]]
        with store.errors("measures/bins"):
            places = self._values("measures/bins", (len(keys), 2), np.float64)
            self.bins: LayerBins = dict(zip(keys, map(_bins, places), strict=True))

    def table(self, snapshot: int, layers: Sequence[Layer]) -> pd.DataFrame:
        """Return what `analyze` found of a snapshot, as it returns it.

        Parameters
        ----------
        snapshot : int
            From 0.
        layers : sequence of Layer
            Those of the file's topology.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        values, codes = self._layers(snapshot, len(layers))
        table = pd.DataFrame(
            {"layer": [layer.name for layer in layers], "kind": [layer.kind for layer in layers],
             "shape": [layer.shape for layer in layers],
             "activation": [layer.activation for layer in layers]}
        )  # fmt: skip
        with self._store.errors(f"snapshots/{snapshot}/measures/layers"):
            columns = zip(self._columns, values.T, strict=True)
            measured = {column["name"]: _column(own, column) for column, own in columns}
        table = pd.concat([table, pd.DataFrame(measured)], axis=1)
        table["status"] = [self._statuses[code] for code in codes]
        return table.set_index("layer")

    def _layers(self, snapshot: int, n_layers: int) -> tuple[Values, NDArray[np.uint8]]:
        """Return the columns of all layers of a snapshot, and the codes of their statuses."""
        path, shape = f"snapshots/{snapshot}/measures", (n_layers, len(self._columns))
        values = self._values(f"{path}/layers", shape, np.float64)
        codes = self._values(f"{path}/status", shape[:1], np.uint8)
        if codes.size and codes.max() >= len(self._statuses):
            raise StoreError(f"{self._store.path}: {path}/status is damaged: unknown codes")
        return values, codes

    def copy_head(self, file: h5py.File) -> None:
        """Write what the measures of all snapshots have in common into a file with a topology."""
        _write_head(file, self._description, self.bins)

    def copy(self, snapshot: int, group: h5py.Group, n_layers: int) -> None:
        """Write the measures of one snapshot into the group of one in another file.

        Parameters
        ----------
        snapshot : int
            From 0.
        group : h5py.Group
        n_layers : int
            Of the file's topology.
        """
        path = f"snapshots/{snapshot}/measures/histograms"
        with self._store.errors(path):
            counts = _checked(self._values(path, (len(self.bins), N_COUNTS), np.int64), path)
        _write_arrays(group, *self._layers(snapshot, n_layers), counts)

    def counts(self, snapshot: int, measure: str, layer: str) -> Counts:
        """Return a histogram: below the bins, in each of 512, above them, and not finite.

        Parameters
        ----------
        snapshot : int
            From 0.
        measure, layer : str
            One of the keys of `bins`.

        Returns
        -------
        ndarray of int64, shape (515,)

        Raises
        ------
        CntGraphError
            If there is no such histogram.
        """
        rows = {key: k for k, key in enumerate(self.bins)}
        if (measure, layer) not in rows:
            found = [name for own, name in self.bins if own == measure]
            raise CntGraphError(
                f"{self._store.path}: no distribution of {measure!r} was recorded of the layer "
                f"{layer!r}; there is one of: {', '.join(found) or 'no layer'}"
            )
        row, path = rows[measure, layer], f"snapshots/{snapshot}/measures/histograms"
        shape = (len(rows), N_COUNTS)
        one = (slice(row, row + 1), slice(None))
        with self._store.errors(path):
            return _checked(self._values(path, shape, np.int64, one)[0], path)

    def _values(self, path: str, shape: tuple[int, ...], dtype: Any, key: Any = ()) -> NDArray[Any]:
        """Return values of a dataset, refusing one that is not as described."""
        with self._store.errors(path):
            dataset = self._store.dataset(path)
            if dataset.shape != shape or dataset.dtype != dtype:
                raise StoreError(
                    f"{path} is damaged: expected {np.dtype(dtype)} of shape {shape}, found "
                    f"{dataset.dtype} of shape {dataset.shape}"
                )
            self._store.check_stored(dataset)
            return read_values(dataset, key)


#: A count above this is none: sums of all bins stay within int64.
_MOST = 1 << 52


def _checked(counts: Counts, path: str) -> Counts:
    if counts.size and (counts.min() < 0 or counts.max() > _MOST):
        raise StoreError(f"{path} is damaged: counts out of range")
    return counts


def _bins(place: NDArray[np.float64]) -> Bins:
    return Bins(float(place[0]), float(place[1]))


def _column(values: NDArray[np.float64], column: Mapping[str, Any]) -> NDArray[Any]:
    """Return the values of a column in the type they had; whole numbers are exact up to 2**53."""
    if not column["whole"]:
        return values
    if not (np.abs(values) <= 2.0**53).all():
        raise StoreError(f"the column {column['name']!r} is damaged: expected whole numbers")
    return values.astype(np.int64)
