"""PowerLaw: the tail of a sample as a power of its values, by maximum likelihood; Hill's, too."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Values


class PowerLaw(NamedTuple):
    """A density in proportion to x^-alpha from a minimum on.

    Parameters
    ----------
    alpha : float
        The exponent; NaN where fewer than two values differ.
    minimum : float
        Where the tail begins.
    distance : float
        Of Kolmogorov and Smirnov, between the tail and the law.
    n : int
        Values in the tail.
    """

    alpha: float = nan
    minimum: float = nan
    distance: float = nan
    n: int = 0


def fit_power_law(values: Values, n_minima: int | None = None) -> PowerLaw:
    """Return the power law that the upper tail of a sample follows.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Greater than zero, in any order.
    n_minima : int, optional
        Try so many values as the minimum, evenly spaced in rank; by default all, which takes
        O(n²).

    Returns
    -------
    PowerLaw

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
    >>> round(fit_power_law(draws).alpha, 1)
    2.5
    """
    stored = np.sort(values)
    if not stored.size or stored[0] == stored[-1]:
        return PowerLaw()
    ordered = stored / stored[-1]
    logs = np.log(ordered)
    firsts = np.unique(ordered[:-1], return_index=True)[1]
    firsts = firsts[ordered[firsts] < 1.0]
    if n_minima is not None and n_minima < firsts.size:
        firsts = firsts[np.linspace(0, firsts.size - 1, n_minima).astype(np.int64)]
    numbers = (ordered.size - firsts).astype(np.float64)
    alphas = 1.0 + numbers / (np.cumsum(logs[::-1])[::-1][firsts] - numbers * logs[firsts])
    distances = [
        law_distance(1.0 - np.exp((1.0 - alpha) * (logs[k:] - logs[k])))
        for k, alpha in zip(firsts.tolist(), alphas.tolist(), strict=True)
    ]
    best = int(np.argmin(distances))
    k = int(firsts[best])
    return PowerLaw(float(alphas[best]), float(stored[k]), distances[best], ordered.size - k)


def law_distance(law: Values) -> float:
    """Return how far a sample is from a law, whose distribution function at its values ascends.

    The largest distance over the steps from below, as in the code of Clauset, Shalizi and Newman.
    """
    return float(np.abs(law - np.arange(law.size) / law.size).max())


def hill_exponent(values: Values, share: float = 0.5) -> float:
    """Return Hill's estimate of the exponent of the density's tail, from a share of the values.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Greater than zero, in any order.
    share : float, default 0.5
        Which part of them is the tail; a value at least, and less than all.

    Returns
    -------
    float
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
    >>> round(hill_exponent(np.array([1.0, np.e, np.e**2, np.e**3]), 0.5), 3)
    1.667
    """
    logs = np.log(np.sort(values)[::-1])
    k = min(max(int(share * logs.size), 1), logs.size - 1)
    total = float((logs[:k] - logs[k]).sum()) if k > 0 else 0.0
    return 1.0 + k / total if total > 0.0 else nan
