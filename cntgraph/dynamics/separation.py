"""Separation: how well a measure tells two groups of networks apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd


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
            f"expected one value and one group a network, got {scores.shape} and {group.shape}"
        )
    finite = np.isfinite(scores)
    inside, outside = scores[finite & group], scores[finite & ~group]
    if not inside.size or not outside.size:
        return float("nan")
    return float(mannwhitneyu(inside, outside).statistic / (inside.size * outside.size))


def separation_auc(
    table: pd.DataFrame,
    measures: Sequence[str],
    *,
    by: str = "accuracy",
    above: float = 0.8,
    below: float = 0.4,
) -> pd.DataFrame:
    """Return, per layer and measure, how well it tells accurate from poor networks.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a network and layer, as `Trajectory.analyze` returns it.
    measures : sequence of str
        Columns to judge.
    by : str, default "accuracy"
        The column that says how good a network is.
    above, below : float
        Networks above the one are accurate, below the other poor; those between are left out.

    Returns
    -------
    pandas.DataFrame
        A row a layer, a column a measure: max(AUC, 1 - AUC), 0.5 where it tells nothing.

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
