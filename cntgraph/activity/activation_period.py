"""activation_period: the period of every neuron's activation, against that of the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.activity.functions import Elementwise
from cntgraph.activity.neuron_measures import select_layers
from cntgraph.activity.periods import FEWEST, periods
from cntgraph.activity.recording import Batch, Recording, record
from cntgraph.activity.time_steps import along_time, checked_axis, time_steps
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Array, Values
from cntgraph.network.layer import Layer

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [
    f"{what}_{how}" for what in ("period", "input", "ratio") for how in ("fft", "autocorrelation")
]


def activation_period(
    model_or_net: Any,
    inputs: Any,
    *,
    layers: str | Sequence[str] | None = None,
    time_axis: int = -1,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Return after how many steps each neuron's activation repeats, for sequences.

    A neuron that has the input's period follows it; another period, or none, says that it has a
    rhythm of its own, or does not repeat.

    Parameters
    ----------
    model_or_net : Network, model object, str or Path
        As in `neuron_activation`: a convolutional network over time, or a recurrent one with
        ``unroll=T``.
    inputs : array, tuple of arrays, iterable of batches, or callable
        Sequences, as in `neuron_activation`.
    layers : str or sequence of str, optional
        Names or patterns (``"conv*"``) of the layers wanted; by default all that run along time.
    time_axis : int, default -1
        The axis of a single sample along which time runs: -1 for (channels, times), 0 for (times,
        features). All other layers have time as their last axis.
    n_samples, batch_size, functions, show_progress, **options
        As in `record`.

    Returns
    -------
    DataFrame
        A row per ``layer``, ``channel`` (feature map, or unit of a recurrent layer; where layers
        have further axes, one for each of their positions) and ``sample``. Columns, in steps of
        the input: ``period_fft`` and ``period_autocorrelation``; ``input_fft`` and
        ``input_autocorrelation``, those of the sample itself, over all its channels; and
        ``ratio_fft`` and ``ratio_autocorrelation``, the activation's by the input's. NaN where an
        activation is constant, and where its autocorrelation has no clear maximum. ``attrs`` has
        ``steps``, how many steps of the input lie between positions of each layer, and
        ``missing``: layers that do not run along time, and why.

    Raises
    ------
    UndefinedMeasureError
        If none of the layers wanted runs along time.
    InputShapeError, CntGraphError
        As in `neuron_activation`.

    Notes
    -----
    ``period_fft`` is T / k, with T positions and the frequency k of most power, the mean taken
    away; it is exact where T is a multiple of the period, and otherwise the nearest T / k.
    ``period_autocorrelation`` is the first lag up to T / 2 that is a local maximum of the
    autocorrelation of 0.5 or more, and of 0.9 times its largest maximum; what never repeats by
    half, as noise and most of chaos, has none. Both are multiplied by the step between positions,
    the product of the strides on the way to the layer, so that a layer of stride s sees no period
    below 2 s. A signal of several rhythms has the strongest one by its spectrum, and by its
    autocorrelation the first after which they nearly all repeat.

    References
    ----------
    .. [1] Corbetta, de Jong, "How neural networks learn to classify chaotic time series", Chaos
       33, 2023, arXiv:2306.02300. How it measures periods is a choice of ours.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> alternating = np.cos(np.pi * np.arange(6)) * np.ones((1, 1, 6, 1))
    >>> table = cg.activation_period(cg.toy("cnn"), alternating, layers="conv1")
    >>> table["period_fft"].unique()
    array([2.])
    """
    recording = record(model_or_net, inputs, n_samples=n_samples, batch_size=batch_size,
                       functions=functions, show_progress=show_progress, **options)  # fmt: skip
    net = recording.net
    steps = time_steps(net, checked_axis(net, time_axis))
    chosen, missing = along_time(select_layers(net, layers), steps, time_axis, FEWEST)
    source = next((x for x in net.layers if x.is_input and np.isfinite(steps[x.name])), None)
    if source is None or not chosen:
        raise UndefinedMeasureError(
            "none of the layers runs along time: "
            + "; ".join(f"{name!r}: {why}" for name, why in missing.items())
            + ". Is time_axis the axis of a sample along which time runs?"
        )
    found = _collected(recording, source, chosen, steps, time_axis)
    unknown = [layer.name for layer in chosen if layer.name not in found]
    missing |= dict.fromkeys(unknown, "its activations are not known")
    return _table(found, [layer.name for layer in chosen], steps, missing)


def _collected(
    recording: Recording, source: Layer, chosen: Sequence[Layer], steps: Mapping[str, float],
    time_axis: int,
) -> dict[str, Values]:  # fmt: skip
    """Return the periods of layers, shape (n_samples, n_channels, 2), and of the input as ''."""
    parts: dict[str, list[Values]] = {}
    for batch in recording:
        inputs = _signals(batch, source, time_axis)
        assert inputs is not None
        parts.setdefault("", []).append(periods(inputs)[:, None])
        for layer in chosen:
            own = _signals(batch, layer, time_axis if layer.is_input else -1)
            if own is not None:
                n, n_channels, n_times = own.shape
                each = periods(own.reshape(n * n_channels, 1, n_times))
                parts.setdefault(layer.name, []).append(
                    steps[layer.name] * each.reshape(n, n_channels, 2)
                )
    return {name: np.concatenate(of_batches) for name, of_batches in parts.items()}


def _signals(batch: Batch, layer: Layer, axis: int) -> Array | None:
    """Return the activations of a layer, shape (n_samples, n_channels, n_times)."""
    values = batch.values[layer.name].activation
    if values is None:
        return None
    shaped = np.moveaxis(values.reshape(len(values), *layer.shape), axis % len(layer.shape) + 1, -1)
    return shaped.reshape(len(values), -1, shaped.shape[-1])


def _table(
    found: Mapping[str, Values], names: Sequence[str], steps: Mapping[str, float],
    missing: Mapping[str, str],
) -> pd.DataFrame:  # fmt: skip
    import pandas as pd

    inputs, tables = found[""], []
    for name in (x for x in names if x in found):
        own = found[name].swapaxes(0, 1)  # the samples of a channel stand together
        whose = np.broadcast_to(inputs.swapaxes(0, 1), own.shape)
        values = np.concatenate([own, whose, own / whose], axis=2).reshape(-1, 6)
        places = np.indices(own.shape[:2]).reshape(2, -1)
        tables.append(pd.DataFrame(values, columns=_COLUMNS))
        tables[-1].insert(0, "layer", name)
        tables[-1].insert(1, "channel", places[0])
        tables[-1].insert(2, "sample", places[1])
    table = pd.concat(tables, ignore_index=True).set_index(["layer", "channel", "sample"])
    table.attrs.update(steps=dict(steps), missing=dict(missing))
    return table
