"""time_profile: the measures of a layer's neurons at each step of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.activity.functions import Elementwise
from cntgraph.activity.neuron_measures import neuron_statistics, select_layers
from cntgraph.activity.recording import Recording, record
from cntgraph.activity.time_steps import along_time, checked_axis, likely_axis, time_steps
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Array, Values
from cntgraph.loading import load
from cntgraph.measures.strength import node_strengths
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, Network
from cntgraph.network.node_values import NEURON_MEASURES

if TYPE_CHECKING:
    import pandas as pd

#: What each column of neurons is over the nodes of a step, and of which statistic over samples.
_NEURON_COLUMNS = {
    "mean": ("mean", "mean"),
    "fluctuation": ("mean", "std"),
    "std": ("std", "mean"),
    "active": ("active", "mean"),
}


def time_profile(
    model_or_net: Any,
    inputs: Any = None,
    *,
    layers: str | Sequence[str] | None = None,
    time_axis: int | None = None,
    edges: Edges = "parametric",
    bias: bool = True,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Return the measures of each layer step by step, for networks that run along time.

    Whether what a layer knows dies out, saturates or lasts: curves over the steps that fall to 0,
    rise to a bound, or stay.

    Parameters
    ----------
    model_or_net : Network, model object, str or Path
        A recurrent network with ``unroll=T``, which has one node per unit and step, or a
        convolutional one over time.
    inputs : array, tuple of arrays, iterable of batches, or callable, optional
        Sequences, as in `neuron_strength`; without them, the measures are those of weights alone.
    layers : str or sequence of str, optional
        Names or patterns (``"lstm*"``) of the layers wanted; by default all that run along time.
    time_axis : int, optional
        The axis of a single sample along which time runs: -1 for (channels, times), 0 for (times,
        features). By default, the one along which most layers run. All other layers have time as
        their last axis.
    edges : {"parametric", "all"}, default "parametric"
        Which edges count in strengths, as in `node_strength`.
    bias : bool, default True
        Whether in-strengths, and what neurons receive, include the bias.
    n_samples, batch_size, functions, show_progress
        As in `neuron_strength`, for the inputs.
    **options
        Of `load`, for a model or a file: ``unroll=T``; without inputs, ``input_shape`` as well.

    Returns
    -------
    pandas.DataFrame
        A row per ``layer`` and ``step`` (from 0, in the order of the input). Columns:
        ``n_nodes``; ``in_strength_mean`` and ``in_strength_std``, those of ``out_strength`` and
        ``strength_mean``, over the nodes of that step; and ``fluctuation``, the standard deviation
        of their strength (ddof 0). With inputs, of ``neuron_strength`` and of
        ``neuron_activation``: ``…_mean`` over nodes and samples; ``…_fluctuation``, the standard
        deviation over nodes of their means; ``…_std``, the mean over nodes of their standard
        deviations over samples; ``…_active``, the mean share of samples above zero; NaN where
        values are not known. ``attrs`` has ``steps``, how many steps of the input lie between
        those of each layer, and ``missing``: layers that do not run along time, and why.

    Raises
    ------
    UndefinedMeasureError
        If none of the layers wanted runs along time: recurrent layers are loops until they are
        unrolled.
    InputShapeError, CntGraphError
        As in `neuron_strength`.

    Notes
    -----
    ``fluctuation`` is the Layers Fluctuation of one step in place of the whole layer; as a curve
    over the steps it says how alike the units are at each moment. Weights are the same at every
    step, so that strengths differ at the ends only: nothing is handed to the first step, and the
    last hands on nothing (of a layer that runs backwards, the other way round). What data do over
    time is in the columns of neurons: activations that die out or saturate, units that drift apart.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Deep Neural Networks via Complex Network Theory: a
       Perspective", IJCAI 2024, arXiv:2404.11172.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> x = np.random.default_rng(0).normal(size=(20, 1, 6, 6))
    >>> table = cg.time_profile(cg.toy("cnn"), x, layers="conv1")
    >>> table[["n_nodes", "fluctuation", "neuron_activation_mean"]].shape
    (6, 3)
    """
    if inputs is None:
        net, recording = _loaded(model_or_net, options), None
    else:
        recording = record(model_or_net, inputs, n_samples=n_samples, batch_size=batch_size,
                           functions=functions, show_progress=show_progress,
                           **options)  # fmt: skip
        net = recording.net
    axis = likely_axis(net) if time_axis is None else checked_axis(net, time_axis)
    steps = time_steps(net, axis)
    chosen, missing = along_time(select_layers(net, layers), steps, axis)
    if not chosen:
        raise UndefinedMeasureError(
            "none of the layers runs along time: recurrent layers do with unroll=T; or is "
            "time_axis= another axis of a sample?"
        )
    columns = _of_weights(net, edges, bias)
    if recording is not None:
        columns |= _of_neurons(recording, chosen, bias)
    table = _table(columns, chosen, axis)
    table.attrs.update(steps={x.name: steps[x.name] for x in chosen}, missing=missing)
    return table


def _loaded(source: Any, options: Mapping[str, Any]) -> Network:
    if not isinstance(source, Network):
        return load(source, **options)
    if options:
        raise CntGraphError(f"a network takes no options of loading; got {', '.join(options)}")
    return source


def _of_weights(net: Network, edges: Edges, bias: bool) -> dict[str, tuple[Values, str]]:
    """Return values of all nodes, and how they are summed up, by column."""
    sums = node_strengths(net, edges=edges, bias=bias)
    found: dict[str, tuple[Values, str]] = {}
    for name, values in (("in_strength", sums.incoming), ("out_strength", sums.outgoing)):
        found |= {f"{name}_mean": (values, "mean"), f"{name}_std": (values, "std")}
    total = sums.incoming + sums.outgoing
    return found | {"strength_mean": (total, "mean"), "fluctuation": (total, "std")}


def _of_neurons(
    recording: Recording, layers: Sequence[Layer], bias: bool
) -> dict[str, tuple[Values, str]]:
    """Return the same of what neurons receive and emit for data; NaN where it is not known."""
    names = [layer.name for layer in layers]
    measured = neuron_statistics(recording, *NEURON_MEASURES, layers=names, bias=bias)
    found: dict[str, tuple[Values, str]] = {}
    for measure, own in measured.items():
        places = {layer.name: layer.slice for layer in own.layers}
        for column, (name, how) in _NEURON_COLUMNS.items():
            values = np.full(recording.net.n_nodes, np.nan)
            for layer in layers:
                if layer.name in places:
                    values[layer.slice] = getattr(own, name)[places[layer.name]]
            found[f"{measure}_{column}"] = values, how
    return found


def _table(
    columns: Mapping[str, tuple[Values, str]], layers: Sequence[Layer], axis: int
) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for layer in layers:
        along = axis if layer.is_input else -1
        own: dict[str, Array] = {
            name: getattr(_by_step(values[layer.slice], layer, along), how)(axis=1)
            for name, (values, how) in columns.items()
        }
        n_steps = layer.shape[along]
        index = pd.MultiIndex.from_product([[layer.name], range(n_steps)], names=["layer", "step"])
        tables.append(pd.DataFrame({"n_nodes": layer.n_nodes // n_steps, **own}, index=index))
    return pd.concat(tables)


def _by_step(values: Values, layer: Layer, axis: int) -> Values:
    """Return the values of the nodes of each step, shape (n_steps, n_nodes of a step)."""
    return np.moveaxis(values.reshape(layer.shape), axis, 0).reshape(layer.shape[axis], -1)
