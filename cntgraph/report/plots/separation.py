"""How well measures tell two groups of networks apart, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.report.intervals import intervals_of, offset
from cntgraph.report.plots.style import (
    COLORS,
    COLUMN,
    MARKERS,
    check_table,
    legend_label,
    make_axes,
    tick_size,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_separation(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the AUC of each measure in each layer: with confidence intervals, if they are known.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per layer and measure, as `separation` returns it: points with the interval
        ``auc_low`` to ``auc_high``. Or a row per layer, a column per measure, as `separation_auc`
        returns it: bars that start at chance.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure, as high as its rows need.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the table is empty, or no row of it has an AUC.

    Notes
    -----
    The AUC of `separation` says in which direction a measure separates: below 0.5, accurate
    networks have the smaller values. That of `separation_auc` is folded at 0.5.

    Examples
    --------
    >>> import pandas as pd
    >>> auc = pd.DataFrame({"fluctuation": [0.9], "link_weight_std": [0.7]}, index=["conv1"])
    >>> len(plot_separation(auc).patches)
    2
    """
    if {"layer", "measure", "auc"} <= set(table.columns):
        return _plot_intervals(table, ax)
    check_table(table, (), what="AUC")
    if not len(table.columns):
        raise CntGraphError("the table has no measure to draw: expected one column per measure")
    ax = _layer_axes(ax, [str(layer) for layer in table.index], len(table.columns))
    height = 0.8 / len(table.columns)
    for k, name in enumerate(table.columns):
        values = table[name].to_numpy(dtype=float)
        places = np.arange(len(table)) + offset(k, len(table.columns))
        color, label = COLORS[k % len(COLORS)], _label(name)
        ax.barh(places, values - 0.5, height, left=0.5, color=color, label=label)
    ax.set_xlim(0.5, 1.0)
    ax.set_xlabel("AUC, accurate against poor (0.5 is chance)")
    _add_legend(ax)
    return ax


def _plot_intervals(table: pd.DataFrame, ax: Axes | None) -> Axes:
    shown = table[table["auc"].notna()]
    if not len(shown):
        raise CntGraphError(
            "no row of the table has an AUC: separate with above= and below=, and with networks "
            "in both groups"
        )
    layers, measures = (list(dict.fromkeys(shown[name])) for name in ("layer", "measure"))
    ax = _layer_axes(ax, [str(layer) for layer in layers], len(measures))
    ax.axvline(0.5, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    for k, found in enumerate(intervals_of(shown, layers, measures)):
        reach = np.nan_to_num([found.below, found.above])
        ax.errorbar(found.auc, found.place, xerr=reach, fmt=MARKERS[k % len(MARKERS)],
                    color=COLORS[k % len(COLORS)], markersize=3, linewidth=1, capsize=1.5,
                    label=_label(found.measure))  # fmt: skip
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("AUC with confidence interval (0.5 is chance)")
    _add_legend(ax)
    return ax


def _layer_axes(ax: Axes | None, layers: list[str], n_measures: int) -> Axes:
    """Return axes with one tick per layer, the first above."""
    rows = 0.09 * n_measures * len(layers) + 0.1 * len(layers)
    ax = make_axes(ax, height=max(COLUMN[1], 1.0 + rows))
    ax.set_yticks(np.arange(len(layers)), layers)
    ax.set_ylim(len(layers) - 0.5, -0.5)
    ax.set_ylabel("layer")
    return ax


def _label(measure: object) -> str:
    return legend_label(measure).replace("_", " ")


def _add_legend(ax: Axes) -> None:
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False,
              fontsize=tick_size(ax),
              handlelength=1.2, columnspacing=1.0)  # fmt: skip
