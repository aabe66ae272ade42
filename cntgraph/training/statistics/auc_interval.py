"""auc_interval: how sure an AUC is that few networks gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values

#: The ends are known to 2⁻⁵², as the interval of length 1 is halved so often.
_HALVINGS = 52


def auc_interval(
    values: Values, group: NDArray[np.bool_], confidence: float
) -> tuple[Values, Values]:
    """Return the confidence interval of each row's AUC.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_networks)
        Measures, one per row.
    group : ndarray of bool, shape (n_networks,)
        Which networks are in the group; some are and some are not.
    confidence : float
        How often the interval holds the AUC of all networks that there might be.

    Returns
    -------
    low, high : ndarray of float64, shape (n_rows,)

    Notes
    -----
    A score interval: all θ with (θ̂ − θ)² ≤ z² r V(θ), where

        V(θ) = θ (1 − θ) / (n₁ n₂) · (1 + N (1 − θ) / (2 − θ) + N θ / (1 + θ)),
        N = (n₁ + n₂) / 2 − 1

    is Hanley's and McNeil's variance as Newcombe takes it [1]_. That of DeLong [2]_ presumes
    nothing of the distributions, but is too small for few networks near 0 and 1, and zero where
    a measure separates perfectly; r is its quotient by V(θ̂), or 1 if that is larger. The
    interval lies within 0 to 1, and has a width also where the AUC is 0 or 1.

    References
    ----------
    .. [1] R. G. Newcombe, "Confidence intervals for an effect size measure based on the
       Mann–Whitney statistic. Part 2", Statistics in Medicine 25, 2006, method 5.
    .. [2] E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or
       more correlated receiver operating characteristic curves", Biometrics 44, 1988.

    Examples
    --------
    >>> values, group = np.arange(10.0)[None, :], np.arange(10) >= 5
    >>> low, high = auc_interval(values, group, 0.95)
    >>> low.round(2), high
    (array([0.64]), array([1.]))
    """
    from scipy.special import ndtri

    area, spread = _area(values, group)
    n_in, n_out = int(group.sum()), int((~group).sum())
    expected = _variance(area, n_in, n_out)
    known = expected > 0
    ratio = np.divide(spread, expected, out=np.ones_like(area), where=known)
    scale = ndtri((1 + confidence) / 2) ** 2 * np.maximum(ratio, 1.0)

    def end(outside: float) -> Values:
        """Halve between a bound that is never in the interval's inside and the AUC, which is."""
        out, inside = np.full_like(area, outside), area.copy()
        for _ in range(_HALVINGS):
            middle = (out + inside) / 2
            beyond = (area - middle) ** 2 > scale * _variance(middle, n_in, n_out)
            out, inside = np.where(beyond, middle, out), np.where(beyond, inside, middle)
        return inside

    return end(0.0), end(1.0)


def _variance(theta: Values, n_in: int, n_out: int) -> Values:
    more = (n_in + n_out) / 2 - 1
    spread = 1 + more * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    return np.asarray(theta * (1 - theta) * spread / (n_in * n_out))


def _area(values: Values, group: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Return the AUC of every row, and DeLong's variance of it."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1)
    n_in, n_out = int(group.sum()), int((~group).sum())
    # For each network of one group, which share of the other is smaller, ties counting half.
    smaller = (ranks[:, group] - rankdata(values[:, group], axis=1)) / n_out
    larger = 1 - (ranks[:, ~group] - rankdata(values[:, ~group], axis=1)) / n_in
    spread = sum(
        (part.var(axis=1, ddof=1) / part.shape[1] for part in (smaller, larger)
         if part.shape[1] > 1), start=np.zeros(len(values))
    )  # fmt: skip
    return smaller.mean(axis=1), np.asarray(spread)
