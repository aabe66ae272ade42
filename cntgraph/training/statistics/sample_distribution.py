"""distribution: how the values of a measure of one network are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign
from cntgraph.measures.layer_values import DISTRIBUTIONS, layer_values, values_by_layer
from cntgraph.measures.profile.nodes import values_of_nodes
from cntgraph.measures.spectra.power_law import fit_power_law
from cntgraph.network.network import Network
from cntgraph.training.statistics.density import Density, kernel_density
from cntgraph.training.statistics.smoothing import Bandwidth
from cntgraph.training.statistics.tail_fits import TailFits, fit_tail

#: Which values a tail is of: |x|, the positive x, or -x of the negative ones.
Side = Literal["magnitude", "upper", "lower"]

#: Values that are tried as the beginning of a power law; each costs a pass over the samples.
N_MINIMA = 300


class Steps(NamedTuple):
    """P(X ≥ x) at each value x that samples have, ascending.

    Attributes
    ----------
    x, share : ndarray of float64, shape (n,)
    """

    x: Values
    share: Values


@dataclass(frozen=True, eq=False)
class SampleDistribution:
    """The values of a measure, and what they are distributed like.

    Parameters
    ----------
    samples : ndarray of float64, shape (n,)
        Those that are finite, ascending.
    measure : str
        What they are of.
    layer : str or None
        Of which layer; None for all.
    n_left_out : int
        How many values were not finite.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = cg.distribution(cg.toy("mlp"), "strength")
    >>> found
    <SampleDistribution: 20 values of strength, mean 0.337, std 1.49>
    >>> found.fits(minimum="least").table().index[0]
    'normal'
    """

    samples: Values = field(repr=False)
    measure: str
    layer: str | None = None
    n_left_out: int = 0

    def __repr__(self) -> str:
        of = self.measure if self.layer is None else f"{self.measure} in {self.layer}"
        left_out = f", {self.n_left_out:,} not finite" if self.n_left_out else ""
        return (
            f"<SampleDistribution: {self.samples.size:,} values of {of}, mean {self.mean:.3g}, "
            f"std {self.std:.3g}{left_out}>"
        )

    @property
    def mean(self) -> float:
        """Mean of the samples; NaN without any. With `std`, the normal law of all of them."""
        return float(self.samples.mean()) if self.samples.size else np.nan

    @property
    def std(self) -> float:
        """Standard deviation of the samples, over n; NaN without any."""
        return float(self.samples.std()) if self.samples.size else np.nan

    def histogram(self, bins: int | str | Sequence[float] = "auto") -> tuple[Values, Values]:
        """Return counts and edges, as `numpy.histogram` does.

        Parameters
        ----------
        bins : int, str or sequence of float, default "auto"

        Returns
        -------
        counts : ndarray of int64, shape (n_bins,)
        edges : ndarray of float64, shape (n_bins + 1,)
        """
        return np.histogram(self.samples, bins)

    def density(
        self,
        *,
        grid: ArrayLike | None = None,
        bandwidth: Bandwidth = "scott",
        n_points: int = 512,
    ) -> Density:
        """Return the density of the samples, smoothed by a Gaussian kernel.

        Parameters
        ----------
        grid : array_like of float, optional
            Where; by default `n_points` from end to end.
        bandwidth : {"scott", "silverman"} or float, default "scott"
            Width of the kernel.
        n_points : int, default 512

        Returns
        -------
        Density
            ``grid``, ``values``, ``n_samples``.
        """
        return kernel_density(self.samples, grid=grid, bandwidth=bandwidth, n_points=n_points)

    def ccdf(self, side: Side = "magnitude") -> Steps:
        """Return the share of values of a side that are at least as large as each of them.

        Parameters
        ----------
        side : {"magnitude", "upper", "lower"}, default "magnitude"
            |x| of all, the positive x, or -x of the negative ones.

        Returns
        -------
        Steps
            ``x``, ascending, and ``share``.

        Raises
        ------
        CntGraphError
            If there is no such side.
        """
        values = self._side(side)
        x, first = np.unique(values, return_index=True)
        return Steps(x, 1.0 - first / max(values.size, 1))

    def fits(
        self, *, minimum: float | Literal["clauset", "least"] = "clauset", side: Side = "magnitude"
    ) -> TailFits:
        """Return the laws that the larger values follow: normal, lognormal, and with heavy tails.

        Parameters
        ----------
        minimum : float or {"clauset", "least"}, default "clauset"
            From where on: the value from which on a power law fits best (by the distance of
            Kolmogorov and Smirnov), the least value greater than zero, or a number.
        side : {"magnitude", "upper", "lower"}, default "magnitude"
            As in `ccdf`.

        Returns
        -------
        TailFits
            ``table()`` has a row per law, the likeliest first; ``compare("lognormal",
            "power_law")`` says which is likelier, ``comparisons()`` so for all pairs; ``[name]``
            has parameters.

        Raises
        ------
        CntGraphError
            If an option is none of these.
        UndefinedMeasureError
            If fewer than two different values are left.

        Notes
        -----
        All laws are those of values given that they are at least the minimum, so that their
        likelihoods can be compared. Of more than 300 different values, 300 are tried as the
        minimum, evenly spaced in rank.

        References
        ----------
        .. [1] Clauset, Shalizi, Newman, "Power-law distributions in empirical data", SIAM Review
           51 (2009), arXiv:0706.1062.

        Examples
        --------
        >>> import cntgraph as cg
        >>> fits = cg.distribution(cg.toy("cnn"), "degree").fits(minimum="least")
        >>> fits.compare("normal", "power_law").ratio > 0
        True
        """
        values = self._side(side)
        values = values[values > 0.0]
        if minimum == "clauset":
            start = float(fit_power_law(values, N_MINIMA).minimum)
        elif minimum == "least":
            start = float(values[0]) if values.size else np.nan
        else:
            start = _checked(minimum)
        if np.isnan(start):
            raise UndefinedMeasureError(
                f"a law is fitted to at least two different values; there are {values.size} of "
                f"side={side!r} that are not zero"
            )
        return fit_tail(values, start)

    def _side(self, side: Side) -> Values:
        if side not in get_args(Side):
            choices = ", ".join(map(repr, get_args(Side)))
            raise CntGraphError(f"expected side to be one of {choices}; got {side!r}")
        if side == "magnitude":
            return np.sort(np.abs(self.samples))
        return self.samples[self.samples > 0] if side == "upper" else self._negated()

    def _negated(self) -> Values:
        found: Values = -self.samples[self.samples < 0][::-1]
        return found


@takes(Network, Graph)
def distribution(
    net_or_graph: Network | Graph,
    measure: str | ArrayLike = "strength",
    *,
    layer: str | None = None,
    sign: Sign | None = None,
    rng: int = 0,
) -> SampleDistribution:
    """Return how the values of a measure are distributed in a network, or in one of its layers.

    Whether values lie about a mean, or few are far larger than most: its `fits` weigh a normal
    distribution against heavy tails.

    Parameters
    ----------
    net_or_graph : Network or Graph
    measure : str or array_like of shape (n_nodes,), default "strength"
        ``"strength"``, ``"in_strength"``, ``"out_strength"``; ``"link_weights"`` (of learned
        edges: of a network each stored weight once, of a graph each edge); any measure of
        `node_measures`, or one of its columns (``"hits.hubs"``); or values of nodes.
    layer : str, optional
        The nodes of this layer only, or the weights of what ends in it; by default all.
    sign, rng
        As in `node_measures`.

    Returns
    -------
    SampleDistribution
        ``samples``, ``histogram()``, ``density()``, ``ccdf()``, ``fits()``;
        `cntgraph.report.plots.plot_distribution` draws it.

    Raises
    ------
    CntGraphError
        If there is no such measure or layer.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = cg.distribution(cg.toy("mlp"), "link_weights", layer="fc1")
    >>> found
    <SampleDistribution: 48 values of link_weights in fc1, mean 0.0347, std 0.44>
    >>> found.ccdf().share[:2].round(2)
    array([1.  , 0.98])
    """
    name, values = _values(net_or_graph, measure, layer, sign, rng)
    finite = values[np.isfinite(values)]
    return SampleDistribution(np.sort(finite), name, layer, values.size - finite.size)


def _values(
    net_or_graph: Network | Graph,
    measure: str | ArrayLike,
    layer: str | None,
    sign: Sign | None,
    rng: int,
) -> tuple[str, Values]:
    """Return the name and the values of a measure, of all nodes or weights or of a layer's."""
    known = isinstance(measure, str) and measure in DISTRIBUTIONS
    if known and isinstance(net_or_graph, Network) and layer is not None:
        return str(measure), layer_values(net_or_graph, measure, layer)  # type: ignore[arg-type]
    if known and measure == "link_weights":
        return "link_weights", _weights(net_or_graph, layer)
    name, values = values_of_nodes(net_or_graph, measure, sign=sign, rng=rng)
    return name, values if layer is None else values[net_or_graph.layer_slice(layer)]


def _weights(net_or_graph: Network | Graph, layer: str | None) -> Values:
    if isinstance(net_or_graph, Network):
        parts = values_by_layer(net_or_graph, "link_weights").values()
        return np.concatenate([*parts, np.empty(0)])
    kept = net_or_graph.parametric[net_or_graph.edge_block]
    if layer is not None:
        here, ends = net_or_graph.layer_slice(layer), net_or_graph.adjacency.indices
        kept &= (ends >= here.start) & (ends < here.stop)
    found: Values = net_or_graph.adjacency.data[kept].astype(np.float64)
    return found


def _checked(minimum: object) -> float:
    if isinstance(minimum, bool) or not isinstance(minimum, int | float | np.number):
        raise CntGraphError(f"expected minimum 'clauset', 'least' or a number; got {minimum!r}")
    if not 0 < float(minimum) < np.inf:
        raise CntGraphError(f"expected a minimum greater than zero, got {minimum!r}")
    return float(minimum)
