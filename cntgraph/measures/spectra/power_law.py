"""PowerLaw: the tail of a sample as a power of its values, by maximum likelihood; Hill's, too.

Samples are the last axis of an array: one, or those of many networks at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids, Values


class PowerLaw(NamedTuple):
    """A density in proportion to x^-alpha from a minimum on, of each sample.

    Parameters
    ----------
    alpha : ndarray of float64
        The exponent; NaN where fewer than two values differ.
    minimum : ndarray of float64
        Where the tail begins.
    distance : ndarray of float64
        Of Kolmogorov and Smirnov, between the tail and the law.
    n : ndarray of int64
        Values in the tail.
    """

    alpha: Values
    minimum: Values
    distance: Values
    n: Ids


def fit_power_law(values: Values, n_minima: int | None = None) -> PowerLaw:
    """Return the power law that the upper tail of each sample follows.

    Parameters
    ----------
    values : ndarray of float64, shape (…, n)
        In any order; zeros are none of the sample.
    n_minima : int, optional
        Try so many values as the minimum, evenly spaced in rank; by default all, which takes
        O(n²).

    Returns
    -------
    PowerLaw
        Of shape (…).

    Notes
    -----
    For each value x_min but the largest as the minimum, with n values from it on,

        alpha = 1 + n / Σᵢ ln(xᵢ / x_min)

    is the most likely exponent; the minimum is the one for which the distribution of its tail is
    nearest to the law's, the largest distance being taken over the steps from below, as in the
    authors' code.

    References
    ----------
    .. [1] Clauset, Shalizi, Newman, "Power-law distributions in empirical data", SIAM Review 51
       (2009), arXiv:0706.1062, sections 3.1 and 3.3.

    Examples
    --------
    >>> draws = (1 - np.random.default_rng(0).random(2000)) ** (-1 / 1.5)
    >>> fit_power_law(np.stack([draws, 3 * draws])).alpha.round(1)
    array([2.5, 2.5])
    """
    n = values.shape[-1]
    stored = np.sort(values)
    top = stored.max(axis=-1, initial=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # zeros, which are masked
        ordered = stored / top[..., None]
        logs = np.log(ordered)
        sums = np.cumsum(logs[..., ::-1], axis=-1)[..., ::-1]
    best = np.full((4, *top.shape), np.nan)
    best[2:] = [np.full(top.shape, np.inf), np.zeros(top.shape)]
    begins = _begins(ordered)
    for k in _some(np.flatnonzero(begins.any(axis=(*range(begins.ndim - 1),))), n_minima):
        with np.errstate(divide="ignore", invalid="ignore"):  # zeros again
            alpha = 1.0 + (n - k) / (sums[..., k] - (n - k) * logs[..., k])
        found = [alpha, stored[..., k], _distance(logs[..., k:], alpha), n - k]
        best = np.where(begins[..., k] & (found[2] < best[2]), np.broadcast_arrays(*found), best)
    distance = np.where(best[3] > 0, best[2], np.nan)
    return PowerLaw(best[0], best[1], distance, best[3].astype(np.int64))


def _begins(ordered: Values) -> NDArray[np.bool_]:
    """Return at which values a tail may begin: the first of those that are equal, not the last."""
    first = np.diff(ordered, axis=-1, prepend=0.0) > 0.0
    return first & (ordered < 1.0)


def _some(ranks: Ids, n: int | None) -> list[int]:
    """Return n of some ranks, or all."""
    if n is not None and n < ranks.size:
        ranks = ranks[np.linspace(0, ranks.size - 1, n).astype(np.int64)]
    found: list[int] = ranks.tolist()
    return found


def law_distance(law: Values) -> Values:
    """Return how far samples are from laws, whose distribution functions at them ascend.

    The largest distance over the steps from below, as in the code of Clauset, Shalizi and Newman.
    """
    n = law.shape[-1]
    distances: Values = np.abs(law - np.arange(n) / n).max(axis=-1)
    return distances


def _distance(logs: Values, alpha: Values) -> Values:
    """Return how far samples are from power laws that begin at their least values."""
    with np.errstate(invalid="ignore", over="ignore"):  # where no tail begins
        return law_distance(1.0 - np.exp((1.0 - alpha)[..., None] * (logs - logs[..., :1])))


def hill_exponent(values: Values, share: float = 0.5) -> Values:
    """Return Hill's estimate of the exponent of the density's tail, from a share of the values.

    Parameters
    ----------
    values : ndarray of float64, shape (…, n)
        Samples, in any order; zeros are none of them.
    share : float, default 0.5
        Which part of them is the tail; a value at least, and less than all.

    Returns
    -------
    ndarray of float64, shape (…)
        NaN where no value of the tail is greater than that below it.

    Notes
    -----
    With x₁ ≥ x₂ ≥ … the values and k those of the tail, 1 + k / Σᵢ₌₁ᵏ ln(xᵢ / x₍ₖ₊₁₎): Hill's
    estimate is of the exponent of the distribution, which is one less.

    References
    ----------
    .. [1] Hill, "A simple general approach to inference about the tail of a distribution", Annals
       of Statistics 3 (1975).
    .. [2] Zhou, Pang, Liu, Martin, Mahoney, Yang, "Temperature balancing, layer-wise weight
       analysis, and neural network training", NeurIPS 2023, arXiv:2312.00359, for half of the
       eigenvalues.

    Examples
    --------
    >>> hill_exponent(np.array([1.0, np.e, np.e**2, np.e**3]), 0.5).round(3)
    np.float64(1.667)
    """
    ordered = np.sort(values)[..., ::-1]
    sizes = (ordered > 0.0).sum(axis=-1)
    k = np.clip((share * sizes).astype(np.int64), 1, sizes - 1)
    if not ordered.shape[-1]:
        return np.full(k.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # zeros, which are no part of a tail
        logs = np.log(ordered)
        steps = logs - np.take_along_axis(logs, np.maximum(k, 0)[..., None], axis=-1)
        total = np.where(np.arange(logs.shape[-1]) < k[..., None], steps, 0.0).sum(axis=-1)
        return np.where(total > 0.0, 1.0 + k / total, np.nan)[()]
