"""Neurons over data at the moments of a training: what is recorded, and what was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.activity.functions import Elementwise
from cntgraph.activity.moments import Moments
from cntgraph.activity.neuron_measures import neuron_statistics
from cntgraph.activity.neuron_statistics import NeuronStatistics, placed
from cntgraph.activity.recording import record
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.network.network import Network
from cntgraph.network.node_values import NEURON_MEASURES, NeuronMeasure
from cntgraph.store.neurons import NeuronSummary
from cntgraph.store.reader import StoreFile

if TYPE_CHECKING:
    import pandas as pd


def check_repeatable(inputs: Any) -> None:
    """Refuse inputs that could be read once only, as a generator can.

    Raises
    ------
    CntGraphError
    """
    if isinstance(inputs, Iterator):
        raise CntGraphError(
            f"expected inputs that can be read at every snapshot, got a {type(inputs).__name__}, "
            "which can be read once; pass an array, a list of batches, a data loader, or a "
            "callable that returns a new iterator"
        )


def summarize(
    model: Any, inputs: Any, options: Mapping[str, Any]
) -> tuple[list[str], dict[str, NeuronSummary]]:
    """Run data through a model, and return what is recorded of its neurons.

    Parameters
    ----------
    model, inputs, options
        As in `record`.

    Returns
    -------
    layers : list of str
        Those whose strengths and activations are known, in node order.
    summaries : dict of str to NeuronSummary
        By measure.
    """
    found = neuron_statistics(record(model, inputs, **options), *NEURON_MEASURES)
    of_each = [{layer.name for layer in own.layers} for own in found.values()]
    common = set.intersection(*of_each)
    summaries: dict[str, NeuronSummary] = {}
    for measure, own in found.items():
        columns = [own.moments.state[:, x.slice] for x in own.layers if x.name in common]
        summaries[measure] = NeuronSummary(np.concatenate(columns, axis=1), own.n_samples)
    first = next(iter(found.values()))
    return [layer.name for layer in first.layers if layer.name in common], summaries


def neuron_columns(
    net: Network, inputs: Any, functions: Mapping[str, Elementwise] | None
) -> pd.DataFrame:
    """Return what `NeuronStatistics.by_layer` has of both measures, one row per layer.

    Parameters
    ----------
    net, inputs, functions
        As in `record`.

    Returns
    -------
    pandas.DataFrame
        Columns ``<measure>_<statistic>``.
    """
    return layer_columns(
        neuron_statistics(
            record(net, inputs, functions=functions, show_progress=False), *NEURON_MEASURES
        )
    )


def neuron_means(net: Network, inputs: Any, measure: str, layer: str) -> Values:
    """Return the mean over samples of each neuron of a layer, shape (n_nodes,).

    Raises
    ------
    CntGraphError
        If there are no inputs.
    """
    known = check_measure(measure)
    if inputs is None:
        raise CntGraphError(f"nothing was recorded of {measure}; pass inputs=")
    return neuron_statistics(record(net, inputs, show_progress=False), known, layers=layer)[
        known
    ].mean


def recorded_columns(store: StoreFile, snapshot: int) -> pd.DataFrame | None:
    """Return the same of what was recorded at a snapshot; None where nothing was."""
    if store.neurons is None:
        return None
    return layer_columns(
        {m: recorded_statistics(store, snapshot, m) for m in store.neurons.measures}
    )


def layer_columns(found: Mapping[Any, NeuronStatistics]) -> pd.DataFrame:
    """Return what `NeuronStatistics.by_layer` has of several measures, one row per layer.

    Parameters
    ----------
    found : mapping of str to NeuronStatistics
        By measure.

    Returns
    -------
    pandas.DataFrame
        Columns ``<measure>_<statistic>``.
    """
    import pandas as pd

    parts = (own.by_layer().drop(columns="n_nodes").add_prefix(f"{measure}_")
             for measure, own in found.items())  # fmt: skip
    return pd.concat(parts, axis=1)


def recorded_statistics(store: StoreFile, snapshot: int, measure: str) -> NeuronStatistics:
    """Return what was recorded of neurons at one snapshot.

    Parameters
    ----------
    store : StoreFile
    snapshot : int
        From 0.
    measure : {"neuron_strength", "neuron_activation"}

    Returns
    -------
    NeuronStatistics

    Raises
    ------
    CntGraphError
        If none was recorded.
    """
    known: NeuronMeasure = check_measure(measure)
    if store.neurons is None:
        raise CntGraphError(
            f"{store.path}: nothing was recorded of neurons over data; record with "
            "cg.Recorder(path, model, inputs=...), or run data through it now: "
            f"cg.{measure}(trajectory[k], inputs); of populations, pass inputs="
        )
    layers = store.topology.layers
    summary = store.neurons.summary(snapshot, measure, layers)
    moments = Moments.of_state(summary.values, summary.n_samples)
    return NeuronStatistics(known, placed(store.neurons.layers(layers)), moments)


def recorded_means(
    store: StoreFile, snapshot: int, measure: str, layer: str | None
) -> dict[str, Values]:
    """Return the mean over samples of each neuron of some layers, by the name of the layer."""
    found = recorded_statistics(store, snapshot, measure)
    if layer is None:
        chosen = found.layers
    else:
        chosen = tuple(own for own in found.layers if own.name == layer)
        if not chosen:
            return {store.topology.layer(layer).name: np.empty(0)}
    return {own.name: found.mean[own.slice] for own in chosen}


def check_measure(measure: str) -> NeuronMeasure:
    """Return a measure of neurons, refusing any other.

    Raises
    ------
    CntGraphError
    """
    for known in NEURON_MEASURES:
        if measure == known:
            return known
    raise CntGraphError(f"expected a measure of {', '.join(NEURON_MEASURES)}; got {measure!r}")
