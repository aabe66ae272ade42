"""Divergence: how far two distributions of a measure are from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import log
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.training.statistics.density import checked_histogram
from cntgraph.training.statistics.information import (
    INFORMATION,
    distance,
    information,
    published_jeffreys,
    sampled_information,
)
from cntgraph.training.statistics.smoothing import (
    Bandwidth,
    Smoothed,
    finite_samples,
    probabilities,
)

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal[
    "jeffreys",
    "kullback_leibler",
    "jensen_shannon",
    "wasserstein",
    "kolmogorov_smirnov",
    "energy",
]
On = Literal["kde", "samples"]

#: The kinds of divergence.
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def divergence(
    a: ArrayLike,
    b: ArrayLike,
    kind: Kind = "jensen_shannon",
    *,
    on: On = "kde",
    bandwidth: Bandwidth = "scott",
    n_points: int = 512,
    base: float | None = None,
    compat: Literal["lamalfa2021"] | None = None,
) -> float:
    """Return how far the distributions of two sets of samples are from each other.

    0 where both are distributed alike, and the larger the less they have in common;
    Jensen–Shannon's is at most ln 2, where they have nothing.

    Parameters
    ----------
    a, b : array_like of float
        The samples, of any shape.
    kind : str, default "jensen_shannon"
        ``"jensen_shannon"`` (0 to ln 2: the mean divergence of both from their even mixture),
        ``"jeffreys"`` ∫(p-q) ln(p/q) dx, the papers', and ``"kullback_leibler"`` ∫p ln(p/q) dx
        (of a from b) compare densities. ``"wasserstein"`` (the first, in the
        unit of the samples), ``"kolmogorov_smirnov"`` (0 to 1) and ``"energy"`` (a distance, in
        the root of the unit) compare the samples as they are.
    on : {"kde", "samples"}, default "kde"
        Whether the first three are those of kernel densities, or are estimated from the samples
        by nearest neighbors (see `sampled_information`).
    bandwidth : {"scott", "silverman"} or float, default "scott"
        Of the kernels, as in `kernel_density`.
    n_points : int, default 512
        Points of the grid of the densities, at least.
    base : float, optional
        Base of the logarithm; by default e.
    compat : {"lamalfa2021"}, optional
        With ``kind="jeffreys"``: as the papers' published code computes it, which is no integral
        (see Notes).

    Returns
    -------
    float
        NaN if a set is empty (``on="samples"``: has fewer than two).

    Raises
    ------
    CntGraphError
        If a sample is not finite, or an option is not one of those above.

    Notes
    -----
    The default is the one of the first three that exists for any two sets and converges as
    samples grow. The other two weigh the logarithm of a density by another density: where that
    has wider tails, or one set is a constant, kernels' tails decide (``benchmarks/divergence.py``).

    The densities are those of `kernel_density` on an even grid over both sets and 8 widths of
    their kernels more, with at least `n_points` points, and as many more (up to 8192) as it
    takes for a step to be no wider than the narrower kernel; a kernel that is still narrower
    than a step, such as a constant's, is as wide as a step. On that grid both densities are
    floored at 1e-300 a length of the grid, where Gaussian tails vanish in floating point, and
    add up to 1. Values of sets that lie many kernels apart are those of the kernels' tails.

    ``compat="lamalfa2021"``: x from the least to the greatest of all samples (excluded) in
    steps of a thousandth of their range, p and q by `scipy.stats.gaussian_kde`, and

        Σₓ p ln(p/q) + Σₓ q ln(q/p)

    without the step dx, so that it is in 1/unit and grows as samples are scaled down; infinite
    where a density vanishes in floating point and the other does not. The link weights that are
    compared there include biases.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, and its published code,
       github.com/EmanueleLM/CNT-DNNs, divergence.py.
    .. [2] H. Jeffreys, "An invariant form for the prior probability in estimation problems",
       Proc. R. Soc. A 186, 1946.
    .. [3] J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory
       37(1), 1991.

    Examples
    --------
    >>> a, b = np.linspace(0.0, 1.0, 50), np.linspace(0.5, 1.5, 50)
    >>> round(divergence(a, b, "wasserstein"), 6), round(divergence(a, b, "jensen_shannon"), 3)
    (0.5, 0.245)
    """
    options = _Options(on, bandwidth, n_points, base, compat)
    return float(_matrix([a, b], kind, options, pairs=[(0, 1)])[0, 1])


def divergence_matrix(
    samples: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
    kind: Kind = "jensen_shannon",
    *,
    on: On = "kde",
    bandwidth: Bandwidth = "scott",
    n_points: int = 512,
    base: float | None = None,
    compat: Literal["lamalfa2021"] | None = None,
) -> pd.DataFrame:
    """Return how far the distributions of several sets of samples are from each other.

    0 where two are distributed alike; rows that differ from all others are of sets apart.

    Parameters
    ----------
    samples : mapping of label to array_like, or sequence of array_like
        The sets: layers, bins of networks, snapshots. A sequence is labeled 0, 1, ….
    kind, on, bandwidth, n_points, base, compat
        As in `divergence`. One grid serves all densities.

    Returns
    -------
    pandas.DataFrame
        A row and a column a set; row a, column b is the divergence of a from b.

    Raises
    ------
    CntGraphError
        As `divergence`.

    Examples
    --------
    >>> divergence_matrix({"low": [0.0, 1.0], "high": [2.0, 3.0]}, "wasserstein")
          low  high
    low   0.0   2.0
    high  2.0   0.0
    """
    import pandas as pd

    named = samples if isinstance(samples, Mapping) else dict(enumerate(samples))
    labels, sets = list(named), list(named.values())
    values = _matrix(sets, kind, _Options(on, bandwidth, n_points, base, compat))
    index = pd.Index(labels, tupleize_cols=False)
    return pd.DataFrame(values, index=index, columns=index)


def histogram_divergence(
    edges: ArrayLike,
    counts_a: ArrayLike,
    counts_b: ArrayLike,
    kind: Kind = "jensen_shannon",
    *,
    on: On = "kde",
    bandwidth: Bandwidth = "scott",
    n_points: int = 512,
    base: float | None = None,
) -> float:
    """Return how far two distributions are from each other, known by histograms.

    Parameters
    ----------
    edges : array_like of float, shape (n + 1,)
        Ascending edges of the bins of both.
    counts_a, counts_b : array_like of float, shape (n,)
        Samples in each bin.
    kind, bandwidth, n_points, base
        As in `divergence`.
    on : {"kde", "samples"}, default "kde"
        ``"kde"``: each sample is put in the middle of its bin, under a kernel at least as wide
        as the widest bin. ``"samples"``: the shares of the bins themselves are compared; the
        first two kinds are infinite where only one histogram has an empty bin.

    Returns
    -------
    float
        NaN if a histogram is empty. Of the last three kinds, that of the middles of the bins.

    Raises
    ------
    CntGraphError
        If they are no histograms, or an option is not one of those above.

    Examples
    --------
    >>> round(histogram_divergence([0, 1, 2], [1, 1], [1, 3], "jeffreys", on="samples"), 4)
    0.2747
    """
    borders, first = checked_histogram(edges, counts_a)
    _, second = checked_histogram(edges, counts_b)
    _check(kind, _Options(on, bandwidth, n_points, base))
    if not first.sum() or not second.sum():
        return np.nan
    middles = (borders[1:] + borders[:-1]) / 2
    if kind not in INFORMATION:
        return distance(kind, middles, middles, first, second)
    if on == "samples":
        return information(first / first.sum(), second / second.sum(), kind) / _unit(base)
    least = float(np.diff(borders).max())
    sets = [Smoothed.of_counts(middles, c, bandwidth, least=least) for c in (first, second)]
    p, q = probabilities(sets, n_points)
    return information(p, q, kind) / _unit(base)


class _Options(NamedTuple):
    """How a divergence is computed, besides its kind."""

    on: On
    bandwidth: Bandwidth
    n_points: int
    base: float | None
    compat: str | None = None


def _check(kind: str, options: _Options) -> None:
    if kind not in KINDS:
        raise CntGraphError(f"expected a kind of {', '.join(KINDS)}; got {kind!r}")
    if options.on not in ("kde", "samples"):
        raise CntGraphError(f"expected on to be 'kde' or 'samples', got {options.on!r}")
    if options.base is not None and not options.base > 1.0:
        raise CntGraphError(f"expected a base of logarithms above 1, got {options.base}")
    if options.compat not in (None, "lamalfa2021"):
        raise CntGraphError(f"expected compat to be 'lamalfa2021', got {options.compat!r}")
    if options.compat and (kind != "jeffreys" or options.on != "kde"):
        raise CntGraphError(
            "compat='lamalfa2021' is a way to compute kind='jeffreys' on='kde'; "
            f"got kind={kind!r}, on={options.on!r}"
        )


def _matrix(
    samples: Sequence[ArrayLike],
    kind: Kind,
    options: _Options,
    pairs: Iterable[tuple[int, int]] | None = None,
) -> Values:
    """Return the divergence of the chosen pairs of sets, or of all; the rest is NaN."""
    _check(kind, options)
    sets = [finite_samples(values) for values in samples]
    of_pair = _of_pair(sets, kind, options)
    found = np.full((len(sets), len(sets)), np.nan)
    symmetric = kind != "kullback_leibler"
    for i, j in pairs or product(range(len(sets)), repeat=2):
        if sets[i].size and sets[j].size and not (symmetric and j < i):
            found[i, j] = of_pair(i, j)
    if symmetric and pairs is None:
        lower = np.tril_indices(len(sets), -1)
        found[lower] = found.T[lower]
    return found


def _of_pair(sets: list[Values], kind: Kind, options: _Options) -> Callable[[int, int], float]:
    """Return what computes the divergence of two of the sets by their numbers."""
    unit = _unit(options.base)
    if kind not in INFORMATION:
        return lambda i, j: distance(kind, sets[i], sets[j])
    if options.compat:
        return lambda i, j: published_jeffreys(sets[i], sets[j], options.bandwidth) / unit
    if options.on == "samples":
        return lambda i, j: sampled_information(sets[i], sets[j], kind) / unit
    full = [k for k, values in enumerate(sets) if values.size]
    smooth = [Smoothed.of(sets[k], options.bandwidth) for k in full]
    rows = dict(zip(full, probabilities(smooth, options.n_points), strict=True)) if full else {}
    return lambda i, j: information(rows[i], rows[j], kind) / unit


def _unit(base: float | None) -> float:
    return 1.0 if base is None else log(base)
