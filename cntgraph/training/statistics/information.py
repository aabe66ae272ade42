"""Information: what sets two distributions apart, by their probabilities or their samples."""

from __future__ import annotations

from math import isqrt, log, nan
from typing import Final

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.training.statistics.smoothing import Bandwidth, kernel_width, mixture

#: The divergences that compare probabilities.
INFORMATION: Final = ("jeffreys", "kullback_leibler", "jensen_shannon")
#: Neighbors that an estimate from samples looks at: the root of their number, at most this.
MAX_NEIGHBORS: Final = 50


def information(p: Values, q: Values, kind: str) -> float:
    """Return a divergence of two distributions over the same outcomes, in nats.

    Parameters
    ----------
    p, q : ndarray of float64
        Their probabilities, adding up to 1.
    kind : {"jeffreys", "kullback_leibler", "jensen_shannon"}

    Returns
    -------
    float
        Infinite where one has an outcome that the other lacks, Jensen–Shannon excepted.

    Examples
    --------
    >>> p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    >>> round(information(p, q, "jeffreys"), 4)
    0.2747
    """
    from scipy.special import rel_entr

    if kind == "jensen_shannon":
        middle = (p + q) / 2
        return float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2
    found = float(rel_entr(p, q).sum())
    return found + float(rel_entr(q, p).sum()) if kind == "jeffreys" else found


def sampled_information(a: Values, b: Values, kind: str) -> float:
    """Return a divergence of two distributions estimated from their samples, in nats.

    Parameters
    ----------
    a, b : ndarray of float64, shape (n,) and (m,)
        Their samples.
    kind : {"jeffreys", "kullback_leibler", "jensen_shannon"}

    Returns
    -------
    float
        An estimate, at least 0, and of Jensen–Shannon at most ln 2. NaN if there are fewer than
        two samples of one.

    Raises
    ------
    CntGraphError
        If the samples are neither continuous nor discrete.

    Notes
    -----
    For continuous samples, with ρ the distance of a sample of a to its k-th neighbor among the
    others of a, and ν that to its k-th neighbor in b,

        D(a‖b) ≈ (1/n) Σ ln(ν/ρ) + ln(m / (n - 1)),    k = min(⌊√(min(n, m) - 1)⌋, 50)

    For Jensen–Shannon, the densities k/(2(n-1)ρ) and k/(2mν) of the same distances are put into
    its definition. If samples repeat so often that a ρ or ν vanishes, they are discrete: the
    frequencies of the distinct values are compared. If in that case more than half of the
    values are distinct (pruned weights: many zeros among numbers), they are neither. An estimate
    that is out of the divergence's range, as of equal distributions at times, is its bound.

    References
    ----------
    .. [1] Q. Wang, S. R. Kulkarni, S. Verdú, "Divergence estimation for multidimensional
       densities via k-nearest-neighbor distances", IEEE Trans. Inf. Theory 55(5), 2009, eq. 5.
    """
    if min(a.size, b.size) < 2:
        return nan
    a, b = np.sort(a), np.sort(b)
    k = min(isqrt(min(a.size, b.size) - 1), MAX_NEIGHBORS)
    own, other = _distances(a, b, k), _distances(b, a, k)
    if min(float(distance.min()) for distance in (*own, *other)) <= 0.0:
        return information(*_frequencies(a, b), kind)
    if kind == "jensen_shannon":
        found = (_to_middle(*own, a.size, b.size) + _to_middle(*other, b.size, a.size)) / 2
        return min(max(found, 0.0), log(2))
    found = _relative(*own, a.size, b.size)
    if kind == "jeffreys":
        found += _relative(*other, b.size, a.size)
    return max(found, 0.0)


def distance(
    kind: str, a: Values, b: Values, weight_a: Values | None = None, weight_b: Values | None = None
) -> float:
    """Return a distance of two distributions known by samples, each with its weight.

    Parameters
    ----------
    kind : {"wasserstein", "kolmogorov_smirnov", "energy"}
    a, b : ndarray of float64, shape (n,) and (m,)
        Their samples.
    weight_a, weight_b : ndarray of float64, optional
        How much each counts; Kolmogorov–Smirnov then takes a and b as the same numbers, ascending.

    Returns
    -------
    float
    """
    from scipy import stats

    if kind == "wasserstein":
        return float(stats.wasserstein_distance(a, b, weight_a, weight_b))
    if kind == "energy":
        return float(stats.energy_distance(a, b, weight_a, weight_b))
    if weight_a is None or weight_b is None:
        with np.errstate(divide="ignore"):  # in the p-value of two samples, which is not used
            return float(stats.ks_2samp(a, b, method="asymp").statistic)
    shares = weight_a / weight_a.sum() - weight_b / weight_b.sum()
    return float(np.abs(np.cumsum(shares)).max())


def published_jeffreys(a: Values, b: Values, bandwidth: Bandwidth) -> float:
    """Return Jeffreys' divergence as the papers' published code computes it (see `divergence`).

    Parameters
    ----------
    a, b : ndarray of float64, shape (n,) and (m,)
        Their samples.
    bandwidth : {"scott", "silverman"} or float
        As in `kernel_density`.

    Returns
    -------
    float

    Raises
    ------
    CntGraphError
        If one of them is a constant, of which that code has no density.
    """
    both = np.concatenate([a, b])
    low, high = both.min(), both.max()
    step = (high - low) / 1000
    widths = [kernel_width(values, bandwidth) for values in (a, b)]
    if not step or not all(widths):
        raise CntGraphError(
            "compat='lamalfa2021' takes samples that vary, as the published code does; "
            "one of the sets is a constant: leave out compat"
        )
    grid = np.arange(low, high, step)
    p, q = (
        mixture(values, np.ones_like(values), width, grid)
        for values, width in zip((a, b), widths, strict=True)
    )
    return information(p, q, "jeffreys")


def _distances(a: Values, b: Values, k: int) -> tuple[Values, Values]:
    """Return how far each of `a` is from its k-th neighbor in `a`, and from that in `b`."""
    return _to_neighbor(a, a, k + 1), _to_neighbor(a, b, k)  # in a, the first is itself


def _to_neighbor(at: Values, values: Values, k: int) -> Values:
    """Return the distance of every number to its k-th neighbor among sorted values.

    The k nearest are k in a row. Where the row begins is bisected for all numbers at once, which
    on a line is many times as fast as a tree.
    """
    place = np.searchsorted(values, at)
    low, high = np.maximum(place - k, 0), np.minimum(place, values.size - k)
    while (low < high).any():
        middle = (low + high) // 2
        following = values[np.minimum(middle + k, values.size - 1)]
        right = (low < high) & (at - values[middle] > following - at)
        low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
    return np.asarray(np.maximum(at - values[low], values[low + k - 1] - at))


def _relative(own: Values, other: Values, n: int, m: int) -> float:
    return float(np.mean(np.log(other) - np.log(own))) + log(m / (n - 1))


def _to_middle(own: Values, other: Values, n: int, m: int) -> float:
    """Return the divergence from the even mixture of both."""
    ratio = own * (n - 1) / (other * m)  # of the other's density to the own one
    return float(np.mean(log(2) - np.log1p(ratio)))


def _frequencies(a: Values, b: Values) -> tuple[Values, Values]:
    distinct, index = np.unique(np.concatenate([a, b]), return_inverse=True)
    if 2 * distinct.size > index.size:
        raise CntGraphError(
            "expected samples of a continuous or of a discrete distribution; some values repeat "
            f"and {distinct.size:,} of {index.size:,} are distinct: use on='kde', or leave the "
            "repeated value out"
        )
    in_a = np.bincount(index[: a.size], minlength=distinct.size)
    in_b = np.bincount(index[a.size :], minlength=distinct.size)
    return in_a / a.size, in_b / b.size
