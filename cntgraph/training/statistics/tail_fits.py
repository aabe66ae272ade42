"""TailFits: the laws that the values from a minimum on may follow, and which is likelier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from math import erfc, sqrt
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import numpy as np

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.names import unknown_name
from cntgraph.core.types import Values
from cntgraph.measures.spectra.power_law import law_distance
from cntgraph.training.statistics.truncated_normal import fit_truncated_normal

if TYPE_CHECKING:
    import pandas as pd

Family = Literal["normal", "lognormal", "power_law", "stretched_exponential"]
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)

#: Exponents of a stretched exponential that are looked for.
_SHAPES = (1e-2, 1e2)


@dataclass(frozen=True, eq=False)
class TailFit:
    """A law that values from a minimum on follow, with its most likely parameters.

    Parameters
    ----------
    family : str
    parameters : dict of str to float
        ``mu``, ``sigma`` of the normal law, and of the logarithm of a lognormal one; ``alpha`` of
        a density in proportion to x^-alpha; ``scale``, ``shape`` of exp(-(x/scale)^shape), the
        latter at least 0.01, where it is a power law all but. Of tails as heavy as a power law,
        or an exponential one, the best lognormal or normal law may have a `mu` far below them.
    loglikelihoods : ndarray of float64, shape (n,)
        Of each value, largest value last, given that it is at least the minimum.
    distance : float
        Of Kolmogorov and Smirnov, as in `cntgraph.measures.spectra.power_law`.
    survival : callable
        P(X ≥ x) given that X is at least the minimum, for an array of x from there on.
    """

    family: Family
    parameters: dict[str, float]
    loglikelihoods: Values = field(repr=False)
    distance: float
    survival: Callable[[Values], Values] = field(repr=False)

    @property
    def loglikelihood(self) -> float:
        """Of all values."""
        return float(self.loglikelihoods.sum())

    @property
    def aic(self) -> float:
        """Akaike's criterion: smaller is better."""
        return 2.0 * len(self.parameters) - 2.0 * self.loglikelihood


class Comparison(NamedTuple):
    """Which of two laws is likelier (Vuong).

    Attributes
    ----------
    ratio : float
        Log-likelihood of the first less that of the second: positive where the first is likelier.
    normalized_ratio : float
        Over its standard deviation.
    p_value : float
        How probable a ratio of such a size is where both are equally near to the truth.
    """

    ratio: float
    normalized_ratio: float
    p_value: float


@dataclass(frozen=True, eq=False)
class TailFits:
    """Laws that the same values may follow.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Those from the minimum on, ascending.
    minimum : float
    fits : dict of str to TailFit
        By family.

    Examples
    --------
    >>> draws = np.random.default_rng(0).lognormal(size=2000)
    >>> fits = fit_tail(np.sort(draws), float(draws.min()))
    >>> fits.table().index[0], round(fits["lognormal"].parameters["sigma"], 1)
    ('lognormal', 1.0)
    >>> fits.compare("lognormal", "power_law").ratio > 0
    True
    """

    values: Values = field(repr=False)
    minimum: float
    fits: dict[str, TailFit]

    def __getitem__(self, family: str) -> TailFit:
        """Return the fit of a family.

        Raises
        ------
        CntGraphError
            If there is none.
        """
        if family not in self.fits:
            raise unknown_name(family, self.fits, "law")
        return self.fits[family]

    def table(self) -> pd.DataFrame:
        """Return one row per family, the likeliest first: its numbers and its parameters."""
        import pandas as pd

        rows = {
            name: {"n": len(self.values), "minimum": self.minimum, "distance": fit.distance,
                   "loglikelihood": fit.loglikelihood, "aic": fit.aic, **fit.parameters}
            for name, fit in sorted(self.fits.items(), key=lambda pair: pair[1].aic)
        }  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("family")

    def compare(self, first: Family, second: Family) -> Comparison:
        """Return which of two laws is likelier, and whether the difference says anything.

        Raises
        ------
        CntGraphError
            If there is no such law.

        References
        ----------
        .. [1] Vuong, "Likelihood ratio tests for model selection and non-nested hypotheses",
           Econometrica 57 (1989); Clauset, Shalizi, Newman, SIAM Review 51 (2009), appendix C.
        """
        difference = self[first].loglikelihoods - self[second].loglikelihoods
        ratio, deviation = float(difference.sum()), float(difference.std()) * sqrt(len(difference))
        if deviation == 0.0:
            return Comparison(ratio, float(np.sign(ratio)) * np.inf if ratio else 0.0, 1.0)
        normalized = ratio / deviation
        return Comparison(ratio, normalized, erfc(abs(normalized) / sqrt(2.0)))

    def comparisons(self) -> pd.DataFrame:
        """Return one row per pair of laws: ``first``, ``second``, and their `Comparison`."""
        import pandas as pd

        pairs: Any = combinations(self.fits, 2)
        rows = [{"first": a, "second": b, **self.compare(a, b)._asdict()} for a, b in pairs]
        return pd.DataFrame(rows)


def fit_tail(ordered: Values, minimum: float) -> TailFits:
    """Return the four laws that values follow from a minimum on.

    Parameters
    ----------
    ordered : ndarray of float64, shape (n,)
        Ascending.
    minimum : float
        Greater than zero.

    Returns
    -------
    TailFits

    Raises
    ------
    UndefinedMeasureError
        If fewer than two different values are left.
    """
    values = ordered[np.searchsorted(ordered, minimum) :]
    if values.size < 2 or values[0] == values[-1]:
        raise UndefinedMeasureError(
            f"a law is fitted to at least two different values; from {minimum:g} on there are "
            f"{np.unique(values).size}: choose a smaller minimum"
        )
    fitted = (_normal, _lognormal, _power_law, _stretched_exponential)
    fits = {name: fit(name, values, minimum) for name, fit in zip(FAMILIES, fitted, strict=True)}
    return TailFits(values, minimum, fits)  # type: ignore[arg-type]


_Log = Callable[[Values], Values]


def _fit(family: Any, values: Values, parameters: dict[str, float], pdf: _Log, sf: _Log) -> TailFit:
    """Return the fit of a law that is known by the logarithms of its density and its survival."""
    distance = float(law_distance(-np.expm1(sf(values))))
    return TailFit(family, parameters, pdf(values), distance, lambda x: np.exp(sf(x)))


def _normal(family: Family, values: Values, minimum: float) -> TailFit:
    law = fit_truncated_normal(values, minimum)
    parameters = {"mu": law.mu, "sigma": law.sigma}
    return _fit(family, values, parameters, law.log_density, law.log_survival)


def _lognormal(family: Family, values: Values, minimum: float) -> TailFit:
    """Fit a normal law to the logarithms."""
    law = fit_truncated_normal(np.log(values), float(np.log(minimum)))
    return _fit(
        family, values, {"mu": law.mu, "sigma": law.sigma},
        lambda x: law.log_density(np.log(x)) - np.log(x), lambda x: law.log_survival(np.log(x)),
    )  # fmt: skip


def _power_law(family: Family, values: Values, minimum: float) -> TailFit:
    logs = np.log(values / minimum)
    alpha = 1.0 + len(values) / float(logs.sum())
    return _fit(
        family, values, {"alpha": alpha},
        lambda x: np.log((alpha - 1.0) / minimum) - alpha * np.log(x / minimum),
        lambda x: (1.0 - alpha) * np.log(x / minimum),
    )  # fmt: skip


def _stretched_exponential(family: Family, values: Values, minimum: float) -> TailFit:
    """Fit exp(-r (x^β - 1)), x in units of the minimum: for each β, the best r is known."""
    from scipy.optimize import minimize_scalar

    logs = np.log(values / minimum)

    def rate(shape: float) -> float:
        return 1.0 / float(np.expm1(shape * logs).mean())

    def loss(log_shape: float) -> float:
        shape = float(np.exp(log_shape))
        with np.errstate(over="ignore"):
            best = rate(shape)
        return -float(np.log(shape * best) + (shape - 1.0) * logs.mean()) if best else np.inf

    found = minimize_scalar(
        loss, bounds=tuple(np.log(_SHAPES)), method="bounded", options={"xatol": 1e-9}
    )
    shape = float(np.exp(found.x))
    best = rate(shape)
    parameters = {"scale": minimum * float(np.exp(-np.log(best) / shape)), "shape": shape}

    def survival(x: Values) -> Values:
        return -best * np.asarray(np.expm1(shape * np.log(x / minimum)), np.float64)

    def density(x: Values) -> Values:
        found: Values = np.log(shape * best / minimum) + (shape - 1.0) * np.log(x / minimum)
        return found + survival(x)

    return _fit(family, values, parameters, density, survival)
