"""What all figures share: axes, colours that colour-blind people can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, less yellow, which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def make_axes(ax: Axes | None) -> Axes:
    """Return the given axes, or new ones, without the frame's right and upper line.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None

    Returns
    -------
    matplotlib.axes.Axes
    """
    if ax is None:
        from matplotlib.figure import Figure

        # Not through pyplot: nothing is registered that somebody would have to close.
        ax = Figure(figsize=(5, 3.5), layout="constrained").subplots()
    ax.spines[["right", "top"]].set_visible(False)
    return ax


def legend_label(name: object) -> str:
    """Return a name as a legend shows it: matplotlib leaves out what begins with ``_``.

    Examples
    --------
    >>> legend_label("fc_1"), legend_label("_fc")
    ('fc_1', ' _fc')
    """
    text = str(name)
    return f" {text}" if text.startswith("_") else text
