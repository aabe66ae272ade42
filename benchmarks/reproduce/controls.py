"""What an AUC owes to choosing the best of many, and to how the networks were initialized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]


def stratified_auc(values: Values, positive: NDArray[np.bool_], strata: NDArray[np.int_]) -> Values:
    """Return the AUC of each column, comparing only networks of the same stratum.

    That is the share of pairs, one of each group and both of one stratum, in which the accurate
    network has the larger value; ties count half.
    """
    wins, pairs = np.zeros(values.shape[1]), 0
    for stratum in np.unique(strata):
        here = strata == stratum
        inside = positive[here]
        n_above, n_below = int(inside.sum()), int((~inside).sum())
        if n_above and n_below:
            ranks = rankdata(values[here], axis=0)
            wins += ranks[inside].sum(axis=0) - n_above * (n_above + 1) / 2
            pairs += n_above * n_below
    return wins / pairs if pairs else np.full(values.shape[1], np.nan)


@dataclass(frozen=True)
class Contest:
    """Groups of networks, in strata within which they are compared, and what may tell them."""

    table: pd.DataFrame
    positive: NDArray[np.bool_]
    strata: NDArray[np.int_]

    @classmethod
    def of(
        cls, table: pd.DataFrame, accuracy: pd.Series, above: float, below: float, cells: pd.Series
    ) -> Contest:
        """Set up: `table` is one row per network, `cells` the stratum of each."""
        judged = (accuracy > above) | (accuracy < below)
        codes = cells[judged].astype("category").cat.codes.to_numpy(dtype=np.int64)
        return cls(table[judged], (accuracy[judged] > above).to_numpy(), codes)

    def has_pairs(self) -> bool:
        """Return whether a stratum has at least two networks of each group."""
        counts = pd.crosstab(self.strata, self.positive)
        return counts.shape[1] == 2 and bool((counts.min(axis=1) >= 2).any())

    def table_of_auc(self, n_bootstrap: int = 300, seed: int = 0) -> pd.DataFrame:
        """Return AUC and its 95 % interval of each column, by layer and measure.

        Networks are drawn anew within each group of each stratum.
        """
        rng, values = np.random.default_rng(seed), self.table.to_numpy(dtype=float)
        found = stratified_auc(values, self.positive, self.strata)
        groups = [*pd.Series(range(len(values))).groupby(2 * self.strata + self.positive)]
        drawn = []
        for _ in range(n_bootstrap):
            at = np.concatenate([rng.choice(part.to_numpy(), len(part)) for _, part in groups])
            drawn.append(stratified_auc(values[at], self.positive[at], self.strata[at]))
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        layers, measures = zip(*self.table.columns, strict=True)
        columns = {"layer": layers, "measure": measures, "auc": found}
        return pd.DataFrame(columns | {"auc_low": low, "auc_high": high})

    def held_out(
        self, families: Mapping[str, Sequence[object]], n_repeats: int = 200, seed: int = 0
    ) -> pd.DataFrame:
        """Return the AUC of each family's best measure, judged on networks it was not chosen on.

        Half of the networks choose measure, layer and direction; the other half give the AUC. A
        row a repeat, a column a family.
        """
        rng, rows = np.random.default_rng(seed), []
        values = self.table.to_numpy(dtype=float)
        places = {name: self.table.columns.get_indexer(found) for name, found in families.items()}
        for _ in range(n_repeats):
            first = self._half(rng)
            chosen = stratified_auc(values[first], self.positive[first], self.strata[first])
            judged = stratified_auc(values[~first], self.positive[~first], self.strata[~first])
            rows.append({n: _best(chosen[at], judged[at]) for n, at in places.items() if len(at)})
        return pd.DataFrame(rows)

    def _half(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return half of each group of each stratum."""
        order = rng.permutation(len(self.positive))
        keys = pd.Series(2 * self.strata[order] + self.positive[order])
        first = np.zeros(len(order), dtype=bool)
        first[order] = keys.groupby(keys).cumcount() % 2 == 0
        return first


def _best(chosen: Values, judged: Values) -> float:
    best = int(np.argmax(np.abs(np.nan_to_num(chosen, nan=0.5) - 0.5)))
    return float(judged[best] if chosen[best] >= 0.5 else 1 - judged[best])


def summary(held_out: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and the 95 % range over repeats of each family."""
    low, high = held_out.quantile(0.025), held_out.quantile(0.975)
    return pd.DataFrame({"auc": held_out.mean(), "low": low, "high": high})
