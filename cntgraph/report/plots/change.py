"""What changed between two networks, or over a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.report.labels import change_label
from cntgraph.report.plots.lines import draw_lines
from cntgraph.report.plots.style import COLORS, COLUMN, SMALL, check_table, make_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Inches of a bar and the space below it.
_BAR = 0.16


def plot_change(table: pd.DataFrame, measure: str = "change", *, ax: Axes | None = None) -> Axes:
    """Draw what changed: a bar for each block, or over a training a line for each.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per block, as `compare` returns it; or one per snapshot and a column per block, as
        `Trajectory.change` returns it.
    measure : str, default "change"
        Which column of `compare`; of a training, what `Trajectory.change` was asked for.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the table is empty or has no such column.

    Notes
    -----
    The first block is above. One without a number has no bar, but its status where it was not
    compared; an infinite change is written so.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     bars = plot_change(cg.compare(trajectory[0], trajectory[-1]))
    ...     lines = plot_change(trajectory.change())
    >>> [label.get_text() for label in bars.get_yticklabels()], len(lines.get_lines())
    (['conv1', 'conv2', 'fc1', 'fc2'], 4)
    """
    if table.index.name == "snapshot":
        check_table(table, (), what=measure)
        ax = make_axes(ax)
        known = [name for name in table.columns if table[name].notna().any()]
        draw_lines(ax, {name: (table.index, table[name]) for name in known}, title="block")
        ax.set_xlabel("snapshot")
        ax.set_ylabel(change_label(measure))
        return ax
    check_table(table, (measure, "status"), what=measure)
    ax = make_axes(ax, height=max(COLUMN[1], _BAR * len(table)))
    _draw_bars(ax, table, measure)
    return ax


def _draw_bars(ax: Axes, table: pd.DataFrame, measure: str) -> None:
    values, places = table[measure].to_numpy(dtype=np.float64), np.arange(len(table))
    finite = np.isfinite(values)
    ax.barh(places[finite], values[finite], height=0.7, color=COLORS[0])
    for place, (value, status) in enumerate(zip(values, table["status"], strict=True)):
        text = "∞" if np.isinf(value) else "" if status == "ok" else status
        if text:
            ax.text(0.0, place, f" {text}", size=SMALL, va="center")
    ax.set_yticks(places, [str(name) for name in table.index])
    ax.invert_yaxis()
    ax.set_xlabel(change_label(measure))
