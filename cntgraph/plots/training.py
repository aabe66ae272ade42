"""A layer measure over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntgraph.errors import CntGraphError
from cntgraph.plots.style import COLOURS, legend_label, make_axes

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
    """Draw a layer measure over training, a line a layer.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a snapshot and layer, as `Trajectory.analyze` returns it.
    measure : str, default "fluctuation"
        The column to draw; layers where it is undefined are left out.
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
        If the table has no such column.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     ax = plot_training(trajectory.analyze())
    >>> ax.get_ylabel()
    'fluctuation'
    """
    missing = [name for name in (measure, x, "layer") if name not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    ax = make_axes(ax)
    shown = 0
    for layer, part in table.groupby("layer", sort=False, observed=True):
        if part[measure].notna().any():
            colour = COLOURS[shown % len(COLOURS)]
            ax.plot(part[x], part[measure], marker=".", color=colour, label=legend_label(layer))
            shown += 1
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(measure.replace("_", " "))
    if shown:
        ax.legend(title="layer", frameon=False, fontsize="small")
    return ax
