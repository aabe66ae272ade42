"""The normal law above a minimum, by maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Values

#: b of the density below, in units of the mean excess, at the least: an exponential law all but.
_FLAT = 1e-7


class TruncatedNormal(NamedTuple):
    """A normal law, given that its values are at least a minimum.

    With t the excess over the minimum in units of `unit`, its density is in proportion to
    exp(-a t - b t²), b > 0: of samples whose excess falls off as slowly as an exponential law, or
    slower, `mu` is far below the minimum.

    Attributes
    ----------
    minimum, unit, a, b : float
    """

    minimum: float
    unit: float
    a: float
    b: float

    @property
    def sigma(self) -> float:
        """Deviation of the law that is not cut off."""
        return self.unit / float(np.sqrt(2.0 * self.b))

    @property
    def mu(self) -> float:
        """Mean of the law that is not cut off."""
        return self.minimum - self.unit * self.a / (2.0 * self.b)

    def log_density(self, x: Values) -> Values:
        """Return the logarithm of the density at x, from the minimum on."""
        t = (x - self.minimum) / self.unit
        found: Values = -t * (self.a + self.b * t) - _log_total(self.a, self.b) - np.log(self.unit)
        return found

    def log_survival(self, x: Values) -> Values:
        """Return the logarithm of P(X ≥ x), from the minimum on."""
        t = (x - self.minimum) / self.unit
        found: Values = -t * (self.a + self.b * t)
        found += _log_total(self.a + 2.0 * self.b * t, self.b) - _log_total(self.a, self.b)
        return found


def fit_truncated_normal(values: Values, minimum: float) -> TruncatedNormal:
    """Return the normal law that values above a minimum most likely follow.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Not all of them the minimum.
    minimum : float

    Returns
    -------
    TruncatedNormal

    Notes
    -----
    The likelihood depends on the means of t and t² alone, and is concave in a and b.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(1.0, 2.0, size=20_000)
    >>> law = fit_truncated_normal(draws[draws >= 0], 0.0)
    >>> round(law.mu), round(law.sigma)
    (1, 2)
    """
    from scipy.optimize import minimize

    excess = values - minimum
    unit = float(excess.mean())
    square = float(((excess / unit) ** 2).mean())

    def loss(point: Values) -> float:
        a, b = point[0], max(float(np.exp(point[1])), _FLAT)
        return float(a + b * square + _log_total(a, b))

    variance = max(square - 1.0, 1e-12)
    starts = [(-1.0 / variance, -np.log(2.0 * variance)), (0.5, np.log(0.1))]
    options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000, "maxfev": 8000}
    found = [minimize(loss, start, method="Nelder-Mead", options=options) for start in starts]
    a, log_b = min(found, key=lambda one: one.fun).x
    return TruncatedNormal(minimum, unit, float(a), max(float(np.exp(log_b)), _FLAT))


def _log_total(a: Values | float, b: float) -> Values:
    """Return log ∫ exp(-a t - b t²) dt from 0 on, whatever the sign and the size of a."""
    from scipy.special import erfcx, log_ndtr

    u = np.asarray(a) / (2.0 * np.sqrt(b))
    with np.errstate(over="ignore", divide="ignore"):
        high = np.log(erfcx(u))
    low = u * u + np.log(2.0) + log_ndtr(-np.sqrt(2.0) * u)
    found: Values = np.where(u > -5.0, high, low) + 0.5 * np.log(np.pi / (4.0 * b))
    return found
