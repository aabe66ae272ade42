"""A label of networks, such as their accuracy, against a layer measure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cntgraph.core.names import matching
from cntgraph.report.labels import measure_label
from cntgraph.report.plots.lines import draw_lines
from cntgraph.report.plots.style import check_table, make_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_scatter(
    table: pd.DataFrame,
    measure: str = "fluctuation",
    *,
    by: str = "accuracy",
    layers: Iterable[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a label of networks against a layer measure: a point per network and layer.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Population.analyze` returns it, or per snapshot and
        layer, as `Trajectory.analyze` does.
    measure : str, default "fluctuation"
        Along the horizontal axis; layers where it is undefined are left out.
    by : str, default "accuracy"
        The label along the vertical axis.
    layers : iterable of str, optional
        Names of layers, or patterns such as ``"conv*"``; by default all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the table is empty, or has no such column or layer.

    See Also
    --------
    plot_separation : How well each measure tells accurate networks from poor ones.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     ax = plot_scatter(trajectory.analyze(), "link_weight_std", layers=["conv*"])
    >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.get_lines())
    ('link weight std (weight)', 'accuracy', 2)
    """
    check_table(table, (measure, by, "layer"), what=measure)
    known = table[table[measure].notna() & table[by].notna()]
    parts = dict(list(known.groupby("layer", sort=False, observed=True)))
    chosen = parts if layers is None else matching(layers, [str(name) for name in parts], "layer")
    ax = make_axes(ax)
    points = {name: (parts[name][measure], parts[name][by]) for name in chosen}
    draw_lines(ax, points, title="layer", joined=False)
    ax.set_xlabel(measure_label(measure))
    ax.set_ylabel(by.replace("_", " "))
    return ax
