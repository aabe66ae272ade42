"""Comparison: one measure of many networks, against how good each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values

#: Up to this many networks in a group, the p-value of Kolmogorov and Smirnov is exact.
EXACT_KS: Final = 500

#: Columns that say what is compared, and how it went.
COUNTS = ("layer", "measure", "n_above", "n_below", "n")
STATISTICS = (
    "auc auc_low auc_high cliffs_delta ks ks_p spearman spearman_p kendall kendall_p p_permutation"
).split()


def auc(values: ArrayLike, positive: ArrayLike) -> float:
    """Return the area under the ROC curve of a measure as a score for a group.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        The measure, one a network. Networks whose value is not finite are left out.
    positive : array_like of bool, shape (n,)
        Whether a network is in the group.

    Returns
    -------
    float
        The probability that a random network of the group has a larger value than one outside
        it, ties counting half; NaN if a group is empty. 0.5 is chance, 0 as telling as 1.

    Notes
    -----
    U / (n₁ n₂) with U the Mann–Whitney statistic (`scipy.stats.mannwhitneyu`).

    Examples
    --------
    >>> auc([1.0, 2.0, 3.0, 4.0], [False, False, True, True])
    1.0
    """
    from scipy.stats import mannwhitneyu

    scores, group = np.asarray(values, dtype=np.float64), np.asarray(positive, dtype=bool)
    if scores.shape != group.shape or scores.ndim != 1:
        raise CntGraphError(
            f"expected one value and one group per network, got {scores.shape} and {group.shape}"
        )
    finite = np.isfinite(scores)
    inside, outside = scores[finite & group], scores[finite & ~group]
    if not inside.size or not outside.size:
        return float("nan")
    return float(mannwhitneyu(inside, outside).statistic / (inside.size * outside.size))


@dataclass(eq=False)
class Row:
    """One measure of one layer, over all networks.

    Parameters
    ----------
    columns : dict
        Its row of the table of `separation`, so far as it is known.
    values, labels : ndarray of float64, shape (n,)
        What is resampled: the measure, and 1 for an accurate network and 0 for a poor one, or
        without groups the ranks of the label. Empty where there is nothing to test.
    grouped : bool, default False
        Whether labels say which group a network is in.
    """

    columns: dict[str, Any]
    values: Values = field(default_factory=lambda: np.empty(0))
    labels: Values = field(default_factory=lambda: np.empty(0))
    grouped: bool = False

    @classmethod
    def of(
        cls,
        layer: Any,
        measure: str,
        values: Any,
        labels: Any,
        above: float | None,
        below: float | None,
    ) -> Row:
        """Compute what needs no resampling."""
        x, y = numbers_of(values, measure), numbers_of(labels, "the label")
        finite = np.isfinite(x) & np.isfinite(y)
        x, y = x[finite], y[finite]
        high = y > above if above is not None else np.zeros(y.size, dtype=bool)
        low = y < below if below is not None else high
        n_above, n_below = int(high.sum()), int(low.sum())
        columns = dict(zip(COUNTS, (layer, measure, n_above, n_below, x.size), strict=True))
        if not x.size or x.min() == x.max():
            return cls(columns)
        correlations = _correlations(x, y)
        columns |= correlations
        if above is None and correlations:
            return cls(columns, x, ranks_of(y))
        if not n_above or not n_below:
            return cls(columns)
        columns |= _comparison(x[high], x[low])
        judged = high | low
        return cls(columns, x[judged], high[judged].astype(np.float64), grouped=True)


def numbers_of(column: Any, name: str) -> Values:
    """Return a column of a table as float64, or say that it is none of numbers."""
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CntGraphError(f"expected a column of numbers for {name}: {error}") from error


def _comparison(high: Values, low: Values) -> dict[str, float]:
    from scipy.stats import ks_2samp

    area = auc(np.concatenate([high, low]), np.arange(high.size + low.size) < high.size)
    method = "exact" if max(high.size, low.size) <= EXACT_KS else "asymp"
    found = ks_2samp(high, low, method=method)
    return {
        "auc": area,
        "cliffs_delta": 2 * area - 1,
        "ks": float(found.statistic),
        "ks_p": float(found.pvalue),
    }


def _correlations(x: Values, y: Values) -> dict[str, float]:
    from scipy.stats import kendalltau, spearmanr

    if x.size < 3 or y.min() == y.max():
        return {}
    by_rank, by_pair = spearmanr(x, y), kendalltau(x, y)
    return {
        "spearman": float(by_rank.statistic),
        "spearman_p": float(by_rank.pvalue),
        "kendall": float(by_pair.statistic),
        "kendall_p": float(by_pair.pvalue),
    }


def ranks_of(values: Values) -> Values:
    """Return the rank of each value, the mean of its ranks where several are equal."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
