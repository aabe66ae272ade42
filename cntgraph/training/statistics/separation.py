"""Separation: how well a measure tells two groups of networks apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.training.statistics.auc_interval import auc_interval
from cntgraph.training.statistics.comparison import COUNTS, STATISTICS, Row, auc, ranks_of
from cntgraph.training.statistics.resampling import permutation_p

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "MEASURES_OF_NEURONS", "auc", "separation", "separation_auc"]


#: What the papers compare, by the columns of `analyze`: strengths on one side, link weights on
#: the other. The fluctuation is the deviation of the strength.
MEASURES: Final = (
    "strength_mean",
    "fluctuation",
    "in_strength_mean",
    "in_strength_std",
    "out_strength_mean",
    "out_strength_std",
    "link_weight_mean",
    "link_weight_std",
    "link_weight_skew",
    "link_weight_kurtosis",
)
#: The same of neurons over data, where data ran through the networks.
MEASURES_OF_NEURONS: Final = tuple(
    f"{measure}_{name}"
    for measure in NEURON_MEASURES
    for name in ("mean", "fluctuation", "std", "active")
)


def separation_auc(
    table: pd.DataFrame,
    measures: Sequence[str],
    *,
    by: str = "accuracy",
    above: float = 0.8,
    below: float = 0.3,
) -> pd.DataFrame:
    """Return, per layer and measure, how well it tells accurate from poor networks.

    0.5 is chance, 1 tells them apart without an error.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` returns it.
    measures : sequence of str
        Columns to judge.
    by : str, default "accuracy"
        The column that says how good a network is.
    above, below : float
        Networks above the one are accurate, below the other poor; those between are left out.

    Returns
    -------
    pandas.DataFrame
        One row per layer, one column per measure: max(AUC, 1 - AUC), 0.5 where it tells nothing.

    Notes
    -----
    Folding the AUC at 0.5 says how well, not in which direction, a measure separates; for a
    measure that tells nothing it is a little above 0.5.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"layer": ["fc"] * 4, "accuracy": [0.1, 0.2, 0.9, 0.95],
    ...                       "fluctuation": [1.0, 2.0, 3.0, 4.0]})
    >>> separation_auc(table, ["fluctuation"])
           fluctuation
    layer
    fc             1.0
    """
    import pandas as pd

    missing = [name for name in (by, "layer", *measures) if name not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    judged = table[(table[by] > above) | (table[by] < below)]
    rows = {}
    for layer, part in judged.groupby("layer", sort=False, observed=True):
        found = {name: auc(part[name], part[by] > above) for name in measures}
        rows[layer] = {name: max(value, 1.0 - value) for name, value in found.items()}
    result = pd.DataFrame.from_dict(rows, orient="index", columns=list(measures))
    result.index.name = "layer"
    return result


def separation(
    table: pd.DataFrame,
    measures: Sequence[str] | None = None,
    *,
    by: str = "accuracy",
    above: float | None = 0.8,
    below: float | None = 0.3,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Test, per layer and measure, how it goes with how good a network is.

    An AUC of 0.5 is chance; at 1, or 0, every accurate network is on one side of every poor one.
    Its interval says how sure that is, ``p_adjusted`` whether as much is found by looking at many.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` and `Population.analyze` return it.
        Rows whose ``diverged`` is true are left out.
    measures : sequence of str, optional
        Columns to judge; by default those of `MEASURES` and `MEASURES_OF_NEURONS` that the table
        has: the latter come with ``inputs=`` of `Population.analyze` or of `Recorder`.
    by : str, default "accuracy"
        The column that says how good a network is: a number, or true and false.
    above, below : float or None
        Networks above the one are accurate, below the other poor; those between are left out
        of the comparison of groups. None for both: no groups.
    n_resamples : int, default 1000
        How many times networks are shuffled; 0 for no p-values.
    confidence : float, default 0.95
        Of the interval ``auc_low`` to ``auc_high``.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.

    Returns
    -------
    pandas.DataFrame
        One row per layer and measure: ``layer``, ``measure``; ``n_above``, ``n_below``, ``n``
        (networks with a finite value: of either group, and all those with a label); ``auc`` and
        its interval; ``cliffs_delta``; ``ks``, ``ks_p``; ``spearman``, ``spearman_p``,
        ``kendall``, ``kendall_p`` (over all networks); ``p_permutation`` and ``p_adjusted``.
        NaN where a measure is missing or the same in all networks, or a group is empty.
        ``.attrs["n_diverged"]`` is the number of networks left out.

    Raises
    ------
    CntGraphError
        If a column is missing, or an option makes no sense.

    Notes
    -----
    ``auc`` is U/(n₁n₂), the probability that an accurate network has the larger value, ties
    counting half; Cliff's delta 2 AUC - 1. Its interval is that of `auc_interval`, which holds
    for few networks, and near 0 and 1, too. ``p_permutation`` is (b + 1)/(n + 1), with b how
    many of n shuffles of the networks reach |AUC - 1/2|; without groups, |Spearman's ρ|.
    ``p_adjusted`` is that of Benjamini and Hochberg over all rows of the table.
    Kolmogorov–Smirnov is exact up to 500 networks per group. All tests take the networks as
    independent: give one snapshot of each.

    References
    ----------
    .. [1] N. Cliff, "Dominance statistics", Psychological Bulletin 114(3), 1993.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B
       57(1), 1995.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"layer": ["fc"] * 6, "accuracy": [0.1, 0.2, 0.2, 0.9, 0.9, 0.95],
    ...                       "fluctuation": [1.0, 2.0, 3.0, 2.5, 5.0, 6.0]})
    >>> separation(table)[["layer", "measure", "n", "auc", "cliffs_delta"]].round(2)
      layer      measure  n   auc  cliffs_delta
    0    fc  fluctuation  6  0.89          0.78
    """
    import pandas as pd

    names = chosen_measures(table, measures, by)
    check_thresholds(above, below)
    check_confidence(confidence)
    if n_resamples < 0:
        raise CntGraphError(f"expected n_resamples to be 0 or more, got {n_resamples}")
    kept, n_diverged = without_diverged(table)
    rows = [
        Row.of(layer, name, part[name], part[by], above, below)
        for layer, part in kept.groupby("layer", sort=False, observed=True)
        for name in names
    ]
    # One seed for all, so that a row does not depend on which others there are.
    seed = int(np.random.default_rng(rng).integers(2**63))
    _compare(rows, n_resamples, confidence, seed)
    result = pd.DataFrame([row.columns for row in rows], columns=[*COUNTS, *STATISTICS])
    result = result.astype(dict.fromkeys(STATISTICS, np.float64))
    result["p_adjusted"] = _adjusted(result["p_permutation"].to_numpy())
    result.attrs["n_diverged"] = n_diverged
    return result


def _compare(rows: Sequence[Row], n_resamples: int, confidence: float, seed: int) -> None:
    """Add p-values and intervals, for all rows that judge the same networks at once."""
    alike: defaultdict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        if row.values.size:
            alike[row.labels.tobytes()].append(row)
    for part in alike.values():
        values, labels = np.array([row.values for row in part]), part[0].labels
        if n_resamples:
            rng = np.random.default_rng(seed)
            found = permutation_p(np.array([ranks_of(x) for x in values]), labels, n_resamples, rng)
            for row, p in zip(part, found, strict=True):
                row.columns["p_permutation"] = p
        if part[0].grouped:
            ends = auc_interval(values, labels > 0, confidence)
            for row, low, high in zip(part, *ends, strict=True):
                row.columns |= {"auc_low": low, "auc_high": high}


def _adjusted(p: Values) -> Values:
    from scipy.stats import false_discovery_control

    adjusted, known = np.full(p.shape, np.nan), np.isfinite(p)
    if known.any():
        adjusted[known] = false_discovery_control(p[known])
    return adjusted


def chosen_measures(table: pd.DataFrame, measures: Sequence[str] | None, by: str) -> list[str]:
    """Return the columns that are judged, having made sure that they are there.

    Parameters
    ----------
    table, measures, by
        As in `separation`.

    Raises
    ------
    CntGraphError
        If one is missing, the layer's or the label's, too.
    """
    known = [x for x in (*MEASURES, *MEASURES_OF_NEURONS) if x in table.columns]
    names = known if measures is None else list(measures)
    missing = [name for name in (by, "layer", *names) if name not in table.columns]
    if missing or not names:
        raise CntGraphError(
            f"expected columns {missing or 'with measures'} in the table; it has "
            f"{[*table.columns]}{_of_data(missing)}"
        )
    return names


def _of_data(missing: Sequence[str]) -> str:
    """Return where columns come from that only data give."""
    from_data = any(name.startswith(NEURON_MEASURES) for name in missing)
    return "; those of neurons come with inputs=, the data" if from_data else ""


def check_thresholds(above: float | None, below: float | None) -> None:
    """Raise if there are no two groups above and below, and not none."""
    if (above is None) != (below is None):
        raise CntGraphError(f"expected above and below, or neither; got {above} and {below}")
    if above is not None and below is not None and not below <= above:
        raise CntGraphError(f"expected below to be at most above; got {below} and {above}")


def check_confidence(confidence: float) -> None:
    """Raise if no interval has such a confidence."""
    if not 0 < confidence < 1:
        raise CntGraphError(f"expected a confidence between 0 and 1, got {confidence}")


def without_diverged(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the rows of networks that did not diverge, and how many did."""
    if "diverged" not in table.columns:
        return table, 0
    gone = table["diverged"].to_numpy(dtype=bool)
    which = [name for name in ("network", "snapshot") if name in table.columns]
    rows = table[gone]
    if which:
        return table[~gone], len(rows.drop_duplicates(which))
    return table[~gone], max(Counter(rows["layer"]).values(), default=0)
