"""Dispersion: how much a measure varies among networks that are alike good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.training.statistics.resampling import drawn_again
from cntgraph.training.statistics.separation import (
    check_confidence,
    check_thresholds,
    chosen_measures,
    without_diverged,
)

if TYPE_CHECKING:
    import pandas as pd

#: What makes the median absolute deviation of normal values their standard deviation.
_NORMAL: Final = 1.482602218505602

COLUMNS = (
    "layer", "measure", "group", "n", "median", "spread", "dispersion", "dispersion_low",
    "dispersion_high",
)  # fmt: skip


def dispersion(
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
    """Return, per layer and measure, how much networks of a group differ from each other.

    Whether accurate networks are alike, and poor ones poor in ways of their own.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` and `Population.analyze` return it.
        Rows whose ``diverged`` is true are left out.
    measures : sequence of str, optional
        Columns to judge; by default those that `separation` does.
    by : str, default "accuracy"
        The column that says to which group a network belongs.
    above, below : float or None
        Networks above the one are a group, and those below the other. None for both: one group
        for each value of the column (an optimizer, an architecture).
    n_resamples : int, default 1000
        How many times the networks of a group are drawn again; 0 for no interval.
    confidence : float, default 0.95
        Of the interval ``dispersion_low`` to ``dispersion_high``.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.

    Returns
    -------
    pandas.DataFrame
        One row per layer, measure and group: ``layer``, ``measure``, ``group`` (``"above"`` and
        ``"below"``, or the value), ``n`` (networks with a finite value), their ``median``,
        ``spread`` (the median absolute deviation from it, times 1.4826), ``dispersion``, which is
        spread over the median's size, and its interval. NaN for fewer than two networks, and the
        dispersion also where a median is zero. ``.attrs["n_diverged"]`` is the number of networks
        left out.

    Raises
    ------
    CntGraphError
        If a column is missing, or an option makes no sense.

    Notes
    -----
    The spread of normal values is their standard deviation, so that the dispersion is the
    coefficient of variation, of which no few networks far off decide. It says little of a measure
    that is about zero, such as a mean strength, whose spreads may be compared instead. The
    interval is that of the bootstrap's percentiles: all layers and measures of a group see the
    same draws of its networks. Few networks of few values make it too narrow.

    References
    ----------
    .. [1] Zheng, Liang, Snasel, Latora, Pardalos, Nicosia, Ojha, "On learnable parameters of
       optimal and suboptimal deep learning models", 2024, arXiv:2408.11720, for the question.
    .. [2] Arachchige, Prendergast, Staudte, "Robust analogs to the coefficient of variation",
       Journal of Applied Statistics 49 (2022), arXiv:1907.01110.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"layer": ["fc"] * 6, "accuracy": [0.1, 0.2, 0.2, 0.9, 0.9, 0.95],
    ...                       "fluctuation": [1.0, 2.0, 9.0, 4.0, 5.0, 6.0]})
    >>> dispersion(table)[["layer", "group", "n", "median", "dispersion"]].round(2)
      layer  group  n  median  dispersion
    0    fc  above  3     5.0        0.30
    1    fc  below  3     2.0        0.74
    """
    import pandas as pd

    names = chosen_measures(table, measures, by)
    check_thresholds(above, below)
    check_confidence(confidence)
    if n_resamples < 0:
        raise CntGraphError(f"expected n_resamples to be 0 or more, got {n_resamples}")
    kept, n_diverged = without_diverged(table)
    # One seed for all, so that a row does not depend on which others there are.
    seed, rows = int(np.random.default_rng(rng).integers(2**63)), []
    for layer, part in kept.groupby("layer", sort=False, observed=True):
        found = {
            group: _dispersions(part.loc[chosen, names], n_resamples, confidence, seed)
            for group, chosen in _groups(part[by], above, below)
        }
        rows += [
            {"layer": layer, "measure": name, "group": group, **columns[k]}
            for k, name in enumerate(names)
            for group, columns in found.items()
        ]
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    result.attrs["n_diverged"] = n_diverged
    return result


def _groups(
    labels: pd.Series[Any], above: float | None, below: float | None
) -> Iterator[tuple[Hashable, NDArray[np.bool_]]]:
    """Yield the groups of networks, and which are in them."""
    if above is None or below is None:
        for value in labels.dropna().unique():
            yield value, (labels == value).to_numpy(bool)
        return
    yield "above", (labels > above).to_numpy(bool)
    yield "below", (labels < below).to_numpy(bool)


def _dispersions(
    networks: pd.DataFrame, n_resamples: int, confidence: float, seed: int
) -> list[dict[str, float]]:
    """Return what is known of each measure, a column of the table of networks."""
    values = networks.to_numpy(np.float64).T
    found: list[dict[str, float]] = [{} for _ in values]
    alike: defaultdict[bytes, list[int]] = defaultdict(list)
    for k, row in enumerate(values):
        alike[np.isfinite(row).tobytes()].append(k)
    for places in alike.values():
        finite = np.isfinite(values[places[0]])
        own = values[places][:, finite]
        columns = _columns(own, n_resamples, confidence, seed)
        for j, k in enumerate(places):
            found[k] = {"n": int(finite.sum())} | {x: float(v[j]) for x, v in columns.items()}
    return found


def _columns(values: Values, n_resamples: int, confidence: float, seed: int) -> dict[str, Values]:
    none = np.full(len(values), np.nan)
    names = ("median", "spread", "dispersion", "dispersion_low", "dispersion_high")
    if values.shape[1] < 2:
        return dict.fromkeys(names, none)
    median, spread = _median_and_spread(values)
    ends = none, none
    if n_resamples:
        drawn = [
            _ratio(*_median_and_spread(part))
            for part in drawn_again(values, n_resamples, np.random.default_rng(seed))
        ]
        shares = (1 - confidence) / 2, (1 + confidence) / 2
        ends = tuple(np.quantile(np.concatenate(drawn, axis=1), shares, axis=1))
    return dict(zip(names, (median, spread, _ratio(median, spread), *ends), strict=True))


def _median_and_spread(values: Values) -> tuple[Values, Values]:
    """Return both over the last axis."""
    median = np.median(values, axis=-1)
    return median, _NORMAL * np.median(np.abs(values - median[..., None]), axis=-1)


def _ratio(median: Values, spread: Values) -> Values:
    return np.divide(spread, np.abs(median), out=np.full_like(median, np.nan), where=median != 0)
