"""NeuronStatistics: what a measure of neurons is over samples, for every neuron of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.activity.kept_samples import KeptSamples
from cntgraph.activity.moments import Moments
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Array, Values
from cntgraph.network.layer import Layer
from cntgraph.network.node_values import NeuronMeasure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class NeuronStatistics:
    """What neurons receive or emit, summarized over samples.

    Parameters
    ----------
    measure : {"neuron_strength", "neuron_activation"}
        What was measured.
    layers : tuple of Layer
        Those that were measured, in node order; their nodes are numbered from 0.
    moments : Moments
        Of all their nodes.
    kept : KeptSamples or None
        What quantiles are taken from.
    by_label : mapping, default {}
        The same for the samples of each class, by its label.
    missing : mapping of str to str, default {}
        Layers that could not be measured, and why; they are not among `layers`.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> x = np.random.default_rng(0).normal(size=(100, 6))
    >>> found = cg.neuron_strength(cg.toy("mlp"), x)
    >>> found
    <NeuronStatistics: neuron_strength of 20 neurons in 4 layers over 100 samples>
    >>> found.by_layer()["fluctuation"].round(2).to_dict()
    {'input': 0.17, 'fc1': 0.56, 'fc2': 0.78, 'fc3': 0.77}
    """

    measure: NeuronMeasure
    layers: tuple[Layer, ...]
    moments: Moments
    kept: KeptSamples | None = None
    by_label: Mapping[Any, NeuronStatistics] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"<NeuronStatistics: {self.measure} of {self.moments.n_nodes:,} neurons in "
            f"{len(self.layers)} layers over {self.n_samples:,} samples>"
        )

    # -- neurons ----------------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.moments.n_samples

    @property
    def mean(self) -> Values:
        """Mean over samples, shape (n_neurons,)."""
        return self.moments.mean

    @property
    def std(self) -> Values:
        """Standard deviation over samples (ddof 0), shape (n_neurons,)."""
        return self.moments.std

    @property
    def skew(self) -> Values:
        """Skewness over samples, shape (n_neurons,); NaN where nothing varies."""
        return self.moments.skew

    @property
    def min(self) -> Values:
        """Smallest value over samples, shape (n_neurons,)."""
        return self.moments.min

    @property
    def max(self) -> Values:
        """Largest value over samples, shape (n_neurons,)."""
        return self.moments.max

    @property
    def active(self) -> Values:
        """Share of samples in which the value is above zero, shape (n_neurons,)."""
        return self.moments.active

    def quantile(self, q: float | Iterable[float]) -> Values:
        """Return quantiles of every neuron over samples.

        Parameters
        ----------
        q : float or iterable of float
            Between 0 and 1.

        Returns
        -------
        ndarray of float64, shape (n_neurons,) or (len(q), n_neurons)
            Exact where no more samples were seen than were kept.

        Raises
        ------
        CntGraphError
            If no samples were kept.
        """
        if self.kept is None:
            raise CntGraphError(
                "no samples were kept to take quantiles from; measure with n_kept=256, say"
            )
        found = self.kept.quantiles(np.atleast_1d(np.asarray(q, dtype=np.float64)))
        return found if isinstance(q, Iterable) else found[0]

    def split(self, values: Array) -> dict[str, Array]:
        """Cut values of all neurons into layers, each shaped like its layer.

        Parameters
        ----------
        values : ndarray, shape (n_neurons,)
            Such as ``mean``.

        Returns
        -------
        dict of str to ndarray
            Views into `values`, by layer name.
        """
        return {layer.name: values[layer.slice].reshape(layer.shape) for layer in self.layers}

    # -- tables -----------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one row per neuron.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``layer`` and ``neuron`` (its place in the layer, in C order), with the
            columns channel, mean, std, skew, min, max and active.
        """
        import pandas as pd

        names = np.repeat([x.name for x in self.layers], [x.n_nodes for x in self.layers])
        places = np.concatenate([np.arange(x.n_nodes) for x in self.layers])
        sizes = np.repeat(
            [x.n_nodes // max(x.shape[0], 1) if x.shape else 1 for x in self.layers],
            [x.n_nodes for x in self.layers],
        )
        index = pd.MultiIndex.from_arrays([names, places], names=["layer", "neuron"])
        columns = {"channel": places // np.maximum(sizes, 1)} | self.moments.to_dict()
        return pd.DataFrame(columns, index=index)

    def by_layer(self) -> pd.DataFrame:
        """Return one row per layer: how the measure is distributed over its neurons.

        Returns
        -------
        pandas.DataFrame
            By layer name: n_nodes; mean, the mean over neurons and samples; fluctuation, the
            standard deviation over neurons of their means (ddof 0); std, the mean over neurons of
            their standard deviations; min, max; active, the mean share of samples; never_active,
            the share of neurons that are active in none.
        """
        import pandas as pd

        rows = [self._row(layer) for layer in self.layers]
        index = pd.Index([layer.name for layer in self.layers], name="layer")
        return pd.DataFrame(rows, index=index)

    def _row(self, layer: Layer) -> dict[str, float]:
        own = {name: values[layer.slice] for name, values in self.moments.to_dict().items()}
        if not layer.n_nodes:
            return {"n_nodes": 0}
        return {
            "n_nodes": layer.n_nodes,
            "mean": own["mean"].mean(),
            "fluctuation": own["mean"].std(),
            "std": own["std"].mean(),
            "min": own["min"].min(),
            "max": own["max"].max(),
            "active": own["active"].mean(),
            "never_active": (own["active"] == 0).mean(),
        }

    # -- classes ----------------------------------------------------------------------------

    def class_separation(self) -> Values:
        """Return how much of each neuron's variance over samples lies between the classes.

        Returns
        -------
        ndarray of float64, shape (n_neurons,)
            η², from 0 (classes alike) to 1 (nothing else varies); NaN where nothing varies.

        Raises
        ------
        CntGraphError
            If there were no labels, or only one.

        Notes
        -----
        η² = Σ_c n_c (mean_c − mean)² / Σ (x − mean)², the correlation ratio of the one-way analysis
        of variance, whose F is η² (n − C) / ((1 − η²) (C − 1)) for n samples of C classes.

        Examples
        --------
        >>> import numpy as np
        >>> import cntgraph as cg
        >>> x, y = np.array([[0.0] * 6, [1.0] * 6]), ["a", "b"]
        >>> cg.neuron_strength(cg.toy("mlp"), x, labels=y).class_separation()[:6]
        array([1., 1., 1., 1., 1., 1.])
        """
        if len(self.by_label) < 2:
            raise CntGraphError("expected labels of two classes or more; measure with labels=")
        between = sum(own.n_samples * (own.mean - self.mean) ** 2 for own in self.by_label.values())
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(between / (self.std**2 * self.n_samples), dtype=np.float64)

    def merge(self, other: NeuronStatistics) -> NeuronStatistics:
        """Return the statistics of the samples of both.

        Parameters
        ----------
        other : NeuronStatistics
            Of the same layers and the same measure, over other samples.

        Returns
        -------
        NeuronStatistics

        Raises
        ------
        CntGraphError
            If they are of different layers or measures.
        """
        if (self.measure, self.layers) != (other.measure, other.layers):
            raise CntGraphError("expected statistics of the same measure and the same layers")
        moments = Moments(self.moments.n_nodes)
        kept = None if self.kept is None or other.kept is None else KeptSamples.like(self.kept)
        for part in (self, other):
            moments.merge(part.moments)
            if kept is not None and part.kept is not None:
                kept.merge(part.kept)
        labels = dict.fromkeys([*self.by_label, *other.by_label])
        by_label = {}
        for label in labels:
            own = [x.by_label[label] for x in (self, other) if label in x.by_label]
            by_label[label] = own[0] if len(own) == 1 else own[0].merge(own[1])
        return NeuronStatistics(self.measure, self.layers, moments, kept, by_label, self.missing)


def placed(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return layers as if there were no others: their nodes are numbered from 0.

    Examples
    --------
    >>> [layer.start for layer in placed([Layer("a", (3,), "dense", 7), Layer("b", (2,), "add")])]
    [0, 3]
    """
    found: list[Layer] = []
    for layer in layers:
        found.append(replace(layer, start=found[-1].slice.stop if found else 0))
    return tuple(found)
