"""Interval points: the AUC of a measure in each layer with its confidence interval, in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cntgraph.core.types import Values

if TYPE_CHECKING:
    import pandas as pd


class Intervals(NamedTuple):
    """The AUCs of one measure.

    Parameters
    ----------
    measure : str
    rows : pandas.DataFrame
        One row per layer in which it has an AUC, as `separation` returns them.
    auc, place : ndarray of float64, shape (n_rows,)
        Where each is drawn: on the axis of layers beside the other measures of its layer.
    below, above : ndarray of float64, shape (n_rows,)
        How far the interval reaches to either side.
    """

    measure: str
    rows: pd.DataFrame
    auc: Values
    place: Values
    below: Values
    above: Values


def offset(k: int, n: int) -> float:
    """Return how far from its layer's tick the k-th of n measures is drawn."""
    return (k - (n - 1) / 2) * 0.8 / n


def intervals_of(
    table: pd.DataFrame, layers: Sequence[str], measures: Sequence[str]
) -> Iterator[Intervals]:
    """Yield the intervals of each measure, in their order.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per layer and measure, as `separation` returns it.
    layers, measures : sequence of str
        The layers along the axis, and what is drawn.
    """
    for k, measure in enumerate(measures):
        rows = table[(table["measure"] == measure) & table["auc"].notna()]
        place = np.array([layers.index(layer) for layer in rows["layer"]], dtype=np.float64)
        auc, low, high = (rows[name].to_numpy(dtype=np.float64)
                          for name in ("auc", "auc_low", "auc_high"))  # fmt: skip
        # The interval of a table from elsewhere, as of a bootstrap, need not contain the estimate.
        below, above = np.maximum(auc - low, 0.0), np.maximum(high - auc, 0.0)
        yield Intervals(measure, rows, auc, place + offset(k, len(measures)), below, above)
