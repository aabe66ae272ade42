"""Neurons Strength and Neurons Activation: what neurons receive and emit for data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from cntgraph.activity.classes import in_order
from cntgraph.activity.functions import Elementwise
from cntgraph.activity.kept_samples import KeptSamples, Marks, marks_of
from cntgraph.activity.moments import Moments
from cntgraph.activity.neuron_statistics import NeuronStatistics, placed
from cntgraph.activity.recording import Batch, Recording, record
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.names import matching
from cntgraph.core.types import Array, Values
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network
from cntgraph.network.node_values import NeuronMeasure

Granularity = Literal["neuron", "channel"]


def neuron_strength(
    model_or_net: Any,
    inputs: Any,
    *,
    labels: Any = None,
    layers: str | Sequence[str] | None = None,
    bias: bool = True,
    granularity: Granularity = "neuron",
    n_kept: int = 0,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> NeuronStatistics:
    """Return what every neuron receives while data run through a network, over the samples.

    Above 0 a neuron is driven, below it is held down (a ReLU is off); how it varies over samples
    says how much it can tell them apart.

    Parameters
    ----------
    model_or_net : Network, model object, str or Path
        A live model is run by its framework; a `Network`, or a file of cntgraph's own, by its
        blocks. A recurrent model takes ``unroll=T``.
    inputs : array, tuple of arrays, iterable of batches, or callable
        An array of samples (n_samples, …) as the model expects them (channels first for a
        `Network`); a tuple, one per input; a list, generator or data loader of batches, or of
        pairs of a batch and its labels; a callable that returns one of these.
    labels : array-like, shape (n_samples,), optional
        The class of each sample; statistics are then also kept per class (``by_label``).
    layers : str or sequence of str, optional
        Names or patterns (``"conv*"``) of the layers wanted; all by default.
    bias : bool, default True
        Whether what a neuron receives includes its bias.
    granularity : {"neuron", "channel"}, default "neuron"
        ``"neuron"``: each position of a convolution is a neuron, which receives the product of one
        patch and the kernel. ``"channel"``: the neurons of a channel are added up.
    n_kept : int, default 0
        Values of how many samples are kept for quantiles: n_kept × n_neurons numbers.
    n_samples, batch_size, functions, show_progress, **options
        As in `record`.

    Returns
    -------
    NeuronStatistics
        Mean, standard deviation, skewness, extremes and share of samples above zero, for every
        neuron; ``by_layer()`` and ``to_frame()`` are tables.

    Raises
    ------
    InputShapeError
        If inputs do not fit the network, or labels the inputs, or there are none.
    UndefinedMeasureError
        If the function of a layer is not known, or the network has loops.
    CntGraphError
        If inputs are not finite, an option is none of those above, or no layer has such a name.

    Notes
    -----
    s_k(x) = Σ_i z_i(x) w_ik + b_k, with z_i(x) the activation of neuron i for sample x: the
    pre-activation, after what is folded into the layer (batch norms). The convention is ours: the
    published text leaves open what a convolution's neuron is. Neurons of the input receive the
    input. Every sample is looked at once and then forgotten, so that memory does not grow with
    their number; results do not depend on the size of batches beyond rounding.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Deep Neural Networks via Complex Network Theory: a
       Perspective", IJCAI 2024, arXiv:2404.11172, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> x = np.random.default_rng(0).normal(size=(50, 6))
    >>> cg.neuron_strength(cg.toy("mlp"), x).mean.shape
    (20,)
    """
    recording = record(model_or_net, inputs, labels=labels, n_samples=n_samples,
                       batch_size=batch_size, functions=functions, show_progress=show_progress,
                       **options)  # fmt: skip
    return neuron_statistics(
        recording, "neuron_strength", layers=layers, bias=bias, granularity=granularity,
        n_kept=n_kept,
    )["neuron_strength"]  # fmt: skip


def neuron_activation(
    model_or_net: Any,
    inputs: Any,
    *,
    labels: Any = None,
    layers: str | Sequence[str] | None = None,
    granularity: Granularity = "neuron",
    n_kept: int = 0,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> NeuronStatistics:
    """Return what every neuron emits while data run through a network, over the samples.

    What a neuron hands on: one that is 0 for all samples is dead for these data, one that is the
    same for all tells nothing of them.

    Parameters
    ----------
    model_or_net, inputs, labels, layers, granularity, n_kept, n_samples, batch_size, functions
        As in `neuron_strength`.
    show_progress, **options
        As in `neuron_strength`.

    Returns
    -------
    NeuronStatistics
        As for `neuron_strength`.

    Raises
    ------
    InputShapeError, UndefinedMeasureError, CntGraphError
        As in `neuron_strength`.

    Notes
    -----
    z_k(x) = σ(s_k(x)), with σ the function that is noted on the layer; where none is, the
    activation is the strength.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Deep Neural Networks via Complex Network Theory: a
       Perspective", IJCAI 2024, arXiv:2404.11172, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> x = np.random.default_rng(0).normal(size=(50, 6))
    >>> cg.neuron_activation(cg.toy("mlp"), x).by_layer()["never_active"].to_dict()
    {'input': 0.0, 'fc1': 0.0, 'fc2': 0.0, 'fc3': 0.0}
    """
    recording = record(model_or_net, inputs, labels=labels, n_samples=n_samples,
                       batch_size=batch_size, functions=functions, show_progress=show_progress,
                       **options)  # fmt: skip
    return neuron_statistics(
        recording, "neuron_activation", layers=layers, granularity=granularity, n_kept=n_kept
    )["neuron_activation"]


def neuron_statistics(
    recording: Recording,
    *measures: NeuronMeasure,
    layers: str | Sequence[str] | None = None,
    bias: bool = True,
    granularity: Granularity = "neuron",
    n_kept: int = 0,
) -> dict[NeuronMeasure, NeuronStatistics]:
    """Return several measures of one recording, whose data run through once.

    Parameters
    ----------
    recording : Recording
        See `record`.
    *measures : {"neuron_strength", "neuron_activation"}
        What is wanted.
    layers, bias, granularity, n_kept
        As in `neuron_strength`.

    Returns
    -------
    dict of str to NeuronStatistics

    Raises
    ------
    CntGraphError
        As in `neuron_strength`.
    """
    if granularity not in get_args(Granularity):
        raise CntGraphError(f"expected granularity 'neuron' or 'channel', got {granularity!r}")
    chosen = select_layers(recording.net, layers)
    biases = None if bias else recording.net.bias()
    made: dict[NeuronMeasure, _Collected] = {}
    for batch in recording:
        marks = marks_of(batch.inputs.arrays) if n_kept else None
        for measure in measures:
            if measure not in made:
                made[measure] = _Collected(measure, chosen, batch, granularity, biases, n_kept)
            made[measure].add(batch, marks)
    return {measure: collected.finished() for measure, collected in made.items()}


def select_layers(net: Network, layers: str | Sequence[str] | None) -> list[Layer]:
    """Return the layers that names or patterns stand for, in node order.

    Raises
    ------
    CntGraphError
        If a name or pattern stands for none.
    """
    if layers is None:
        return list(net.layers)
    patterns = [layers] if isinstance(layers, str) else [*layers]
    names = set(matching(patterns, [layer.name for layer in net.layers], "layer"))
    return [layer for layer in net.layers if layer.name in names]


class _Collected:
    """One measure of the layers of a network, added up batch by batch."""

    def __init__(
        self, measure: NeuronMeasure, layers: Sequence[Layer], first: Batch,
        granularity: Granularity, biases: Values | None, n_kept: int,
    ) -> None:  # fmt: skip
        self.measure, self.biases, self.n_kept = measure, biases, n_kept
        self.by_channel = granularity == "channel"
        known = [layer for layer in layers if self._values(first, layer) is not None]
        self.missing = {x.name: "not computed by way of tensors that can be seen, nor by blocks"
                        for x in layers if x not in known}  # fmt: skip
        if not known:
            raise UndefinedMeasureError(
                f"the values of none of the layers are known: {', '.join(self.missing)}"
            )
        self.of_network = known
        coarse = (replace(x, shape=x.shape[:1]) if self.by_channel else x for x in known)
        self.layers = placed(coarse)
        self.whole = self._empty(self.layers[-1].slice.stop)
        self.by_label: dict[Any, tuple[Moments, KeptSamples | None]] = {}

    def _empty(self, n: int) -> tuple[Moments, KeptSamples | None]:
        return Moments(n), KeptSamples(n, self.n_kept) if self.n_kept else None

    def _values(self, batch: Batch, layer: Layer) -> Array | None:
        own = batch.values[layer.name]
        return own.strength if self.measure == "neuron_strength" else own.activation

    def _row(self, batch: Batch, layer: Layer) -> Array:
        values = self._values(batch, layer)
        assert values is not None
        if self.biases is not None:
            values = values - self.biases[layer.slice]
        if self.by_channel and layer.shape:
            values = values.reshape(len(values), layer.shape[0], -1).sum(axis=2, dtype=np.float64)
        return values

    def add(self, batch: Batch, marks: Marks | None) -> None:
        """Add the samples of a batch, to all and to those of their class."""
        n = self.layers[-1].slice.stop
        labels = batch.labels
        classes = {} if labels is None else {x: labels == x for x in dict.fromkeys(labels.tolist())}
        for label in classes:
            if label not in self.by_label:
                self.by_label[label] = self._empty(n)
        values = [self._row(batch, layer) for layer in self.of_network]
        _add(self.whole, values, marks)
        for label, own in classes.items():
            chosen = [row[own] for row in values]
            _add(self.by_label[label], chosen, None if marks is None else marks[own])

    def finished(self) -> NeuronStatistics:
        by_label = {
            label: NeuronStatistics(self.measure, self.layers, moments, kept)
            for label, (moments, kept) in in_order(self.by_label).items()
        }
        return NeuronStatistics(self.measure, self.layers, *self.whole, by_label, self.missing)


def _add(to: tuple[Moments, KeptSamples | None], values: list[Array], marks: Marks | None) -> None:
    moments, kept = to
    moments.add(*values)
    if kept is not None and marks is not None:
        kept.add(np.concatenate(values, axis=1), marks)
