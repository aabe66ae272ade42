"""Distributions of a layer's measure at a snapshot: its values, or what was recorded of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.core.types import Values
from cntgraph.measures.layer_values import check_distribution, layer_values, values_by_layer
from cntgraph.network.blocks.histogram import Bins, Counts
from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.store.measured import StoredMeasures
from cntgraph.store.reader import StoreFile
from cntgraph.training.neurons import recorded_means
from cntgraph.training.statistics.density import common_grid
from cntgraph.training.statistics.information import INFORMATION, information
from cntgraph.training.statistics.smoothing import (
    Bandwidth,
    Smoothed,
    kernel_width,
    mixture,
    narrow_width,
    probabilities,
)

if TYPE_CHECKING:
    import pandas as pd


#: Bins of equal width in which two histograms are compared.
_EVEN = 1024


@dataclass(frozen=True, eq=False)
class Histogram:
    """What was recorded of a distribution, instead of its values.

    Parameters
    ----------
    bins : Bins
        Where values were counted.
    counts : ndarray of int64, shape (515,)
        How many were below the bins, in each, above them, and not finite.
    """

    bins: Bins
    counts: Counts

    @property
    def inside(self) -> Counts:
        """Counts of the bins alone, shape (512,)."""
        return self.counts[1:-2]

    def smoothed(self, bandwidth: Bandwidth) -> Smoothed:
        """Put each value in the middle of its bin, under a kernel at least half as wide as most."""
        edges, occupied = self.bins.edges, np.flatnonzero(self.inside)
        middles = (edges[1:] + edges[:-1])[occupied] / 2
        counts = self.inside[occupied].astype(np.float64)
        least = 0.0
        if occupied.size > 1:
            least = float(np.average(np.diff(edges)[occupied], weights=counts)) / 2
        return Smoothed.of_counts(middles, counts, bandwidth, least=least)

    def order_statistics(self, n_most: int) -> Values:
        """Return its values, in order, spread evenly over each bin; evenly spaced ones if more.

        Values below and above all bins count in the first and the last.
        """
        below, *inside, above, _ = self.counts
        inside[0], inside[-1] = inside[0] + below, inside[-1] + above
        total = np.concatenate([[0], np.cumsum(inside)])
        n = min(n_most, int(total[-1]))
        places = (np.arange(n) + 0.5) * (total[-1] / max(n, 1))
        return np.asarray(np.interp(places, total, self.bins.edges), np.float64)

    def within(self, edges: Values) -> Values:
        """Return how many values lie in other bins, taking each of its own as evenly filled.

        Values below and above all bins count in the first and the last.
        """
        below, above = self.counts[0], self.counts[-2]
        total = np.concatenate([[0.0], np.cumsum(self.inside, dtype=np.float64)])
        found: Values = np.diff(np.interp(edges, self.bins.edges, total))
        found[0] += below
        found[-1] += above
        return found


Distribution = Values | Histogram


def layer_distributions(
    store: StoreFile, snapshot: int, measure: str, layer: str | None
) -> dict[str, Distribution]:
    """Return the distributions of a measure at a snapshot, by the name of the layer.

    Parameters
    ----------
    store : StoreFile
    snapshot : int
        From 0.
    measure : str
        One of `cntgraph.measures.layer_values.DISTRIBUTIONS`, or neuron_strength or
        neuron_activation: one value per neuron, its mean over the samples.
    layer : str or None
        One layer, or all that have any values.

    Returns
    -------
    dict of str to ndarray of float64, or to Histogram
        The finite values themselves where the file has parameters, else what was recorded.

    Raises
    ------
    CntGraphError
        If there is no such measure or layer.
    """
    if measure in NEURON_MEASURES:
        means = recorded_means(store, snapshot, measure, layer)
        return {name: values[np.isfinite(values)] for name, values in means.items()}
    check_distribution(measure)
    if store.has_parameters:
        net = store.network(snapshot)
        if layer is None:
            found = values_by_layer(net, measure)  # type: ignore[arg-type]
        else:
            found = {layer: layer_values(net, measure, layer)}  # type: ignore[arg-type]
        return {name: values[np.isfinite(values)] for name, values in found.items()}
    measures = store.measures
    if measures is None:
        raise StoreError(f"{store.path} has neither parameters nor measures")
    names = [name for own, name in measures.bins if own == measure]
    if layer is not None and layer not in names:
        return {store.topology.layer(layer).name: np.empty(0)}
    chosen = names if layer is None else [layer]
    return {name: _histogram(measures, snapshot, measure, name) for name in chosen}


def _histogram(measures: StoredMeasures, snapshot: int, measure: str, layer: str) -> Histogram:
    counts = measures.counts(snapshot, measure, layer)
    return Histogram(measures.bins[measure, layer], counts)


def density_curves(
    sets: list[Distribution], bandwidth: Bandwidth, n_points: int
) -> tuple[Values, list[Values]]:
    """Return densities on one grid.

    Parameters
    ----------
    sets : list of ndarray of float64, or of Histogram
    bandwidth, n_points
        As in `density.kernel_density`.

    Returns
    -------
    grid : ndarray of float64, shape (n_points,)
    curves : list of ndarray of float64, shape (n_points,)
        Zero everywhere without a finite value.
    """
    kernels = [_smoothed(one, bandwidth) for one in sets]
    ends = [_ends(kernel) for kernel in kernels if kernel.points.size]
    grid = common_grid(ends, n_points, margin=0.0)
    step = float(np.diff(grid).max())
    return grid, [mixture(k.points, k.counts, k.width or step, grid) for k in kernels]


def _smoothed(values: Distribution, bandwidth: Bandwidth) -> Smoothed:
    if isinstance(values, Histogram):
        return values.smoothed(bandwidth)
    if not values.size:
        kernel_width(values, bandwidth)  # which checks it
        return Smoothed(values, values, 0.0)
    return Smoothed.of(values, bandwidth)


def _ends(kernel: Smoothed) -> Values:
    reach = 3.0 * (kernel.width or narrow_width(kernel.points))
    return np.array([kernel.points.min() - reach, kernel.points.max() + reach])


def divergence_of(a: Distribution, b: Distribution, kind: Any, **options: Any) -> float:
    """Return how far one distribution is from another.

    Parameters
    ----------
    a, b : ndarray of float64, or both Histogram of the same bins
    kind, **options
        As in `cntgraph.divergence`; of histograms, all but ``compat``.

    Returns
    -------
    float
        NaN if one has no finite value.
    """
    from cntgraph.training.statistics.divergence import divergence, histogram_divergence

    if not (isinstance(a, Histogram) and isinstance(b, Histogram)):
        return divergence(a, b, kind, **options)  # type: ignore[arg-type]
    if options.pop("compat", None) is not None:
        raise CntGraphError("compat= takes the values themselves; the file has histograms alone")
    edges = _even_edges([a, b])
    return histogram_divergence(edges, a.within(edges), b.within(edges), kind, **options)


def _even_edges(sets: Sequence[Histogram]) -> Values:
    """Return edges of even bins over all that are occupied."""
    occupied = np.flatnonzero(sum(one.inside for one in sets))
    edges = sets[0].bins.edges
    if not occupied.size:
        return edges[[0, -1]]
    return np.linspace(edges[occupied[0]], edges[occupied[-1] + 1], _EVEN + 1)


def square(sets: list[Distribution], kind: Any, **options: Any) -> pd.DataFrame:
    """Return the divergence of each distribution from each, numbered as they come.

    Parameters
    ----------
    sets : list of ndarray of float64, or of Histogram
    kind, **options
        As in `divergence_of`.

    Returns
    -------
    pandas.DataFrame
        Square, index and columns called ``snapshot``.
    """
    import pandas as pd

    from cntgraph.training.statistics.divergence import divergence_matrix

    recorded = [one for one in sets if isinstance(one, Histogram)]
    if recorded:
        values = _recorded_square(recorded, kind, **options)
    else:
        values = divergence_matrix(sets, kind, **options).to_numpy()  # type: ignore[arg-type]
    index = pd.RangeIndex(len(sets), name="snapshot")
    return pd.DataFrame(values, index, index, dtype=np.float64)


def _recorded_square(sets: list[Histogram], kind: Any, **options: Any) -> Values:
    if kind in INFORMATION and options.get("on", "kde") == "kde":
        return _smoothed_square(sets, kind, **options)
    found = np.zeros((len(sets), len(sets)))
    for i, j in np.ndindex(found.shape):
        again = kind != "kullback_leibler" and j < i
        found[i, j] = found[j, i] if again else divergence_of(sets[i], sets[j], kind, **options)
    return found


def _smoothed_square(
    sets: list[Histogram],
    kind: Any,
    *,
    on: str = "kde",
    bandwidth: Bandwidth = "scott",
    n_points: int = 512,
    base: float | None = None,
    compat: str | None = None,
) -> Values:
    """Smooth each histogram once, and not once for each pair."""
    divergence_of(sets[0], sets[0], kind, n_points=n_points, base=base, compat=compat)  # checks
    edges = _even_edges(sets)
    middles, step = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
    counts = [one.within(edges) for one in sets]
    full = [k for k, own in enumerate(counts) if own.any()]
    found = np.full((len(sets), len(sets)), np.nan)
    if full:
        kernels = [Smoothed.of_counts(middles, counts[k], bandwidth, least=step) for k in full]
        rows = probabilities(kernels, n_points)
        for i, p in zip(full, rows, strict=True):
            found[i, full] = [information(p, q, kind) for q in rows]
    return found / (1.0 if base is None else np.log(base))
