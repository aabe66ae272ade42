"""What all figures share: axes, colors that color-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap

#: Okabe and Ito's colors, less yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
#: What tells lines and points apart where colors come round again.
DASHES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "D", "^", "v", "P", "X")
#: Width and height of a new figure in inches: a journal's column, in letters that can be read.
COLUMN = (3.35, 2.5)
#: Points of axis labels, of ticks and legends, of numbers within a figure.
LABEL, TICK, SMALL = 8, 7, 6


def make_axes(ax: Axes | None, *, height: float = COLUMN[1]) -> Axes:
    """Return the given axes, or new ones as wide as a column, without the right and upper line.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
    height : float
        Of a new figure, in inches.

    Returns
    -------
    matplotlib.axes.Axes
    """
    if ax is None:
        from matplotlib.figure import Figure

        # Not through pyplot: nothing is registered that somebody would have to close.
        ax = Figure(figsize=(COLUMN[0], height), dpi=200, layout="constrained").subplots()
        ax.tick_params(labelsize=TICK)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set_fontsize(LABEL)
    ax.spines[["right", "top"]].set_visible(False)
    return ax


def sequential_map() -> Colormap:
    """Return viridis without its brightest end, which is faint on white.

    Returns
    -------
    matplotlib.colors.Colormap
        From dark to light in even steps, also for color-blind people and in gray.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.colors import ListedColormap

    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.92, 256))
    return ListedColormap(shades, name="cntgraph")


def legend_label(name: object) -> str:
    """Return a name as a legend shows it: matplotlib leaves out what begins with ``_``.

    Examples
    --------
    >>> legend_label("fc_1"), legend_label("_fc")
    ('fc_1', ' _fc')
    """
    text = str(name)
    return f" {text}" if text.startswith("_") else text


def set_title(ax: Axes, text: str) -> None:
    """Give axes a title in letters of the size of their labels.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    text : str
    """
    ax.set_title(text, size=ax.xaxis.label.get_fontsize())


def tick_size(ax: Axes) -> Any:
    """Return the size of letters at the ticks, which legends and color bars have, too."""
    return ax.xaxis.get_tick_params().get("labelsize", "small")


def match_sizes(bar: Colorbar, ax: Axes, label: str) -> None:
    """Label a color bar in letters of the size that its axes have, and without a frame.

    Parameters
    ----------
    bar : matplotlib.colorbar.Colorbar
    ax : matplotlib.axes.Axes
    label : str
    """
    bar.set_label(label, size=ax.xaxis.label.get_fontsize())
    bar.ax.tick_params(labelsize=tick_size(ax))
    bar.outline.set_visible(False)


def check_table(table: pd.DataFrame, columns: Iterable[str], *, what: str) -> None:
    """Refuse a table without rows or without a column that is needed.

    Parameters
    ----------
    table : pandas.DataFrame
    columns : iterable of str
        What it must have.
    what : str
        What is to be drawn.

    Raises
    ------
    CntGraphError
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    if not len(table):
        raise CntGraphError(f"the table is empty: it has no {what} to draw")
