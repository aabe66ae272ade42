"""Summaries of neurons in a file: what they received and emitted for data (see FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.bounded_hdf5 import read_values
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.core.types import Values
from cntgraph.network.layer import Layer
from cntgraph.store.checked_file import CheckedFile, attribute
from cntgraph.store.schema import check_neurons
from cntgraph.store.writer import fixed_text

if TYPE_CHECKING:
    import h5py

#: What is stored of each neuron, in this order.
QUANTITIES = ("mean", "m2", "m3", "min", "max", "n_active")
#: Samples that a summary can be of: whole numbers are exact in float64.
_MOST_SAMPLES = 1 << 53


@dataclass(frozen=True, eq=False)
class NeuronSummary:
    """What a measure of neurons was over some samples.

    Parameters
    ----------
    values : ndarray of float64, shape (6, n_neurons)
        The `QUANTITIES`, for the neurons of the recorded layers in order.
    n_samples : int
    """

    values: Values
    n_samples: int


def write_neurons_head(file: h5py.File, measures: Sequence[str], layers: Sequence[str]) -> None:
    """Write of which layers the snapshots of a file have summaries.

    Parameters
    ----------
    file : h5py.File
        A file with a topology.
    measures : sequence of str
        Some of neuron_strength and neuron_activation.
    layers : sequence of str
        Names of layers, in node order.
    """
    description = {"measures": [*measures], "layers": [*layers], "quantities": [*QUANTITIES]}
    file["neurons/description"] = fixed_text(json.dumps(description))


def write_neurons(group: h5py.Group, summaries: Mapping[str, NeuronSummary]) -> None:
    """Write the summaries of one snapshot into its group, by the name of the measure."""
    for measure, summary in summaries.items():
        made = group.create_dataset(f"neurons/{measure}", data=summary.values)
        made.attrs["n_samples"] = summary.n_samples


class StoredNeurons:
    """The summaries in a file.

    Parameters
    ----------
    store : CheckedFile
        The file, of format version 4.

    Attributes
    ----------
    measures : tuple of str
        Of which there are summaries.
    layer_names : tuple of str
        Of which layers.
    """

    def __init__(self, store: CheckedFile) -> None:
        self._store = store
        with store.errors("neurons/description"):
            found = json.loads(store.text("neurons/description"))
            names = [layer["name"] for layer in store.description["layers"]]
            check_neurons(found, names)
            if tuple(found["quantities"]) != QUANTITIES:
                raise StoreError(f"expected the quantities {', '.join(QUANTITIES)}")
            self.measures: tuple[str, ...] = tuple(found["measures"])
            self.layer_names: tuple[str, ...] = tuple(found["layers"])

    def layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the recorded ones among the layers of the file's topology."""
        return tuple(layer for layer in layers if layer.name in self.layer_names)

    def summary(self, snapshot: int, measure: str, layers: Sequence[Layer]) -> NeuronSummary:
        """Return what was recorded of a measure at one snapshot.

        Parameters
        ----------
        snapshot : int
            From 0.
        measure : str
            One of `measures`.
        layers : sequence of Layer
            Those of the file's topology.

        Returns
        -------
        NeuronSummary

        Raises
        ------
        CntGraphError
            If there is no such measure.
        StoreError
            If the file is damaged.
        """
        if measure not in self.measures:
            raise CntGraphError(
                f"{self._store.path}: no {measure!r} was recorded; recorded were: "
                f"{', '.join(self.measures)}"
            )
        path = f"snapshots/{snapshot}/neurons/{measure}"
        shape = (len(QUANTITIES), sum(layer.n_nodes for layer in self.layers(layers)))
        with self._store.errors(path):
            dataset = self._store.dataset(path)
            if dataset.shape != shape or dataset.dtype != np.float64:
                raise StoreError(
                    f"expected float64 of shape {shape}, found {dataset.dtype} of {dataset.shape}"
                )
            self._store.check_stored(dataset)
            n_samples = attribute(dataset.attrs, "n_samples")
            values: Any = read_values(dataset)
            _check(values, n_samples)
        return NeuronSummary(values, n_samples)


def _check(values: Values, n_samples: Any) -> None:
    """Refuse what no samples can have."""
    if type(n_samples) is not int or not 0 < n_samples <= _MOST_SAMPLES:
        raise StoreError(f"expected a number of samples, found {n_samples!r}")
    _, m2, _, low, high, active = values
    if (m2 < 0).any() or (low > high).any():
        raise StoreError("expected spreads that are not negative, and extremes in order")
    if not ((active >= 0) & (active <= n_samples)).all():
        raise StoreError(f"expected numbers of active samples from 0 to {n_samples}")
