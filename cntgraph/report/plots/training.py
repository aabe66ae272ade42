"""A layer measure over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntgraph.report.labels import measure_label
from cntgraph.report.plots.lines import draw_lines
from cntgraph.report.plots.style import check_table, make_axes
from cntgraph.report.training_axis import training_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_training(
    table: pd.DataFrame,
    measure: str = "fluctuation",
    *,
    x: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a layer measure over training, one line per layer.

    Where names would take a third of the figure, lines have the color of their depth, and a bar
    beside them names some.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per snapshot and layer, as `Trajectory.analyze` returns it, or the same in long form
        (``measure``, ``value``), as `Trajectory.table` returns it.
    measure : str, default "fluctuation"
        What to draw; layers where it is undefined are left out.
    x : str, optional
        The column along the horizontal axis; by default ``step``, else ``epoch``, else
        ``snapshot``: the first that every snapshot has, each its own.
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
    x = x or training_axis(table)
    check_table(table, (measure, x, "layer"), what=measure)
    ax = make_axes(ax)
    layers = dict(list(table.groupby("layer", sort=False, observed=True)))
    known = {name: part for name, part in layers.items() if part[measure].notna().any()}
    draw_lines(ax, {n: (part[x], part[measure]) for n, part in known.items()}, title="layer")
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(measure_label(measure))
    return ax
