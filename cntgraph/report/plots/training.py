"""A layer measure over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntgraph.report.labels import measure_label
from cntgraph.report.plots.style import (
    COLOURS,
    DASHES,
    check_table,
    legend_label,
    make_axes,
    tick_size,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_training(
    table: pd.DataFrame,
    measure: str = "fluctuation",
    *,
    x: str = "step",
    ax: Axes | None = None,
) -> Axes:
    """Draw a layer measure over training, one line per layer.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per snapshot and layer, as `Trajectory.analyze` returns it, or the same in long form
        (``measure``, ``value``), as `Trajectory.table` returns it.
    measure : str, default "fluctuation"
        What to draw; layers where it is undefined are left out.
    x : str, default "step"
        The column along the horizontal axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the table is empty or has no such column.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     ax = plot_training(trajectory.analyze())
    >>> ax.get_ylabel()
    'fluctuation (std of strength)'
    """
    if {"measure", "value"} <= set(table.columns):
        table = table[table["measure"] == measure].rename(columns={"value": measure})
    check_table(table, (measure, x, "layer"), what=measure)
    ax = make_axes(ax)
    shown = 0
    for layer, part in table.groupby("layer", sort=False, observed=True):
        if part[measure].notna().any():
            colour = COLOURS[shown % len(COLOURS)]
            dashes = DASHES[shown // len(COLOURS) % len(DASHES)]
            ax.plot(part[x], part[measure], dashes, marker=".", markersize=4, linewidth=1.2,
                    color=colour, label=legend_label(layer))  # fmt: skip
            shown += 1
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(measure_label(measure))
    if shown:
        size = tick_size(ax)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=size,
                  title="layer", title_fontsize=size, handlelength=1.5)  # fmt: skip
    return ax
