"""How well sets of features tell accuracy: predictions, scores, intervals and tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

SEED = 0
N_FOLDS = 5
DRAWS, FEW_DRAWS = 2000, 200
"""Of the bootstrap: for R², and for what takes longer."""

THRESHOLDS = {"mnist": (0.8, 0.3), "cifar10": (0.3, 0.15)}
"""Above the one a network is accurate, below the other poor."""

N_EACH = 20
"""Accurate and poor checkpoints, at least, for an AUC."""

SETTINGS = {
    "max_iter": 200, "learning_rate": 0.1, "max_leaf_nodes": 31, "min_samples_leaf": 10,
    "early_stopping": False, "random_state": SEED,
}  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """Accuracies of checkpoints, their networks, and what each set makes of them."""

    true: NDArray[np.float64]
    networks: NDArray[np.int64]
    told: Mapping[str, NDArray[np.float64]]


def predict(
    sets: Mapping[str, pd.DataFrame], target: pd.Series, networks: pd.Series,
    held_out: pd.Series, *, final: bool,
) -> Predictions:  # fmt: skip
    """Predict held-out networks from the others, or these by cross-validation over networks.

    All arguments have the index of the target.
    """
    fitted, kept = target.index[~held_out], target.index[held_out] if final else target.index[:0]
    splits = [(fitted, kept)] if final else [*_folds(fitted, networks)]
    rows = np.concatenate([test for _, test in splits])
    told = {}
    for name, features in sets.items():
        parts = []
        for train, test in splits:
            model = HistGradientBoostingRegressor(**SETTINGS)
            known = features.columns[features.loc[train].notna().any()]  # others cannot be binned
            with threadpool_limits(1):  # by which trees this small are grown faster
                model.fit(features.loc[train, known].to_numpy(), target.loc[train].to_numpy())
            parts.append(model.predict(features.loc[test, known].to_numpy()))
        told[name] = np.concatenate(parts)
    return Predictions(target.loc[rows].to_numpy(), networks.loc[rows].to_numpy(), told)


def _folds(rows: pd.Index, networks: pd.Series) -> Iterator[tuple[pd.Index, pd.Index]]:
    folds = GroupKFold(N_FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(rows, groups=networks.loc[rows]):
        yield rows[train], rows[test]


class Bootstrap:
    """Draws of the networks of some predictions, the same for all sets.

    Parameters
    ----------
    found : Predictions
    """

    def __init__(self, found: Predictions) -> None:
        self.found = found
        _, self.which = np.unique(found.networks, return_inverse=True)
        n = int(self.which.max()) + 1
        draws = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), size=DRAWS)
        # The first row is the networks themselves.
        self.times = np.concatenate([np.ones((1, n), np.int64), draws])

    def r2(self, name: str) -> NDArray[np.float64]:
        """Return R² of a set: of all networks, then of each draw."""
        true = self.found.true

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = self.times @ np.bincount(self.which, values)
            return found

        spread = total(true**2) - total(true) ** 2 / total(np.ones_like(true))
        with np.errstate(divide="ignore", invalid="ignore"):
            found: NDArray[np.float64] = 1 - total((true - self.found.told[name]) ** 2) / spread
        return found

    def kendall(self, name: str) -> NDArray[np.float64]:
        """Return Kendall's τ, likewise, of fewer draws."""
        told, found = self.found.told[name], []
        for times in self.times[: 1 + FEW_DRAWS]:
            rows = np.repeat(np.arange(len(told)), times[self.which])
            found.append(kendalltau(self.found.true[rows], told[rows]).statistic)
        return np.array(found)

    def auc(self, name: str, thresholds: tuple[float, float]) -> NDArray[np.float64]:
        """Return the AUC of accurate against poor checkpoints, likewise; NaN if they are few."""
        above, below = thresholds
        accurate, poor = self.found.true > above, self.found.true < below
        if min(accurate.sum(), poor.sum()) < N_EACH:
            return np.full(1 + FEW_DRAWS, np.nan)
        rows, found = accurate | poor, []
        for times in self.times[: 1 + FEW_DRAWS]:
            weights = times[self.which][rows]
            both = weights[accurate[rows]].any() and weights[poor[rows]].any()
            found.append(
                roc_auc_score(accurate[rows], self.found.told[name][rows], sample_weight=weights)
                if both else np.nan
            )  # fmt: skip
        return np.array(found)


def interval(name: str, draws: NDArray[np.float64]) -> dict[str, float]:
    """Return a score and its 95 % interval as columns."""
    low, high = (
        np.nanpercentile(draws[1:], [2.5, 97.5]) if np.isfinite(draws).any() else [np.nan] * 2
    )
    return {name: float(draws[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def p_value(gains: NDArray[np.float64]) -> float:
    """Return the two-sided p of a difference that is drawn."""
    draws = gains[1:]
    p = 2 * min((draws <= 0).mean(), (draws >= 0).mean())
    return float(np.clip(p, 2 / (len(draws) + 1), 1))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values that Holm's method has adjusted."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted
