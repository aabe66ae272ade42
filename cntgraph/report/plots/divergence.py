"""How far distributions are from each other: a heatmap."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.report.labels import divergence_label
from cntgraph.report.plots.style import COLUMN, SMALL, make_axes, match_sizes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

#: Up to so many columns, each cell has its number written in it.
NUMBERED = 6
#: At most so many rows and columns are named; the others are in between.
NAMED = 12
#: So many letters fit below it side by side.
WIDTH = 36


def plot_divergence(
    matrix: pd.DataFrame, *, kind: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw divergences as a heatmap, layer × layer, bin × bin or snapshot × snapshot.

    Parameters
    ----------
    matrix : pandas.DataFrame
        Labeled both ways, as `divergence_matrix` and `Population.divergence` return it; also
        snapshot × layer, as `Trajectory.divergence` returns it.
    kind : str, optional
        Which divergence it is, for the color bar; by default what ``matrix.attrs["kind"]``
        says, if anything.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the matrix is empty.

    Notes
    -----
    The scale begins at 0. A divergence that is infinite or not defined is gray.

    Examples
    --------
    >>> import pandas as pd
    >>> matrix = pd.DataFrame([[0.0, 1.5], [1.5, 0.0]], ["conv1", "fc"], ["conv1", "fc"])
    >>> ax = plot_divergence(matrix, kind="jeffreys")
    >>> [text.get_text() for text in ax.texts]
    ['0', '1.5', '1.5', '0']
    """
    values = matrix.to_numpy(dtype=np.float64)
    if not values.size:
        raise CntGraphError("the matrix is empty: it has no divergence to draw")
    ax = make_axes(ax, height=COLUMN[0] * 0.85)
    image = _draw_cells(ax, values)
    _name_cells(ax, matrix)
    if values.shape[1] <= NUMBERED and values.shape[0] <= NAMED:
        _number_cells(ax, image, values)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    about = matrix.attrs
    match_sizes(bar, ax, divergence_label(kind or about.get("kind"), about.get("base")))
    return ax


def _draw_cells(ax: Axes, values: np.ndarray) -> AxesImage:
    import matplotlib as mpl

    finite = values[np.isfinite(values)]
    shades = mpl.colormaps["viridis"].with_extremes(bad="0.8")
    shown = np.ma.masked_where(~np.isfinite(values), values)
    # Cells of a long training may be as wide as they like, those of a square matrix not.
    aspect: Literal["equal", "auto"] = "equal" if values.shape[0] == values.shape[1] else "auto"
    top = float(finite.max(initial=0.0)) or 1.0
    image = ax.imshow(shown, cmap=shades, vmin=min(0.0, finite.min(initial=0.0)), vmax=top,
                      aspect=aspect, interpolation="nearest")  # fmt: skip
    ax.spines[:].set_visible(False)
    return image


def _name_cells(ax: Axes, matrix: pd.DataFrame) -> None:
    for axis, labels in ((ax.xaxis, matrix.columns), (ax.yaxis, matrix.index)):
        shown = range(0, len(labels), ceil(len(labels) / NAMED))
        axis.set_ticks(shown, [str(labels[k]) for k in shown])
        axis.set_tick_params(length=0)
        axis.set_label_text("" if labels.name is None else str(labels.name).replace("_", " "))
    names = ax.get_xticklabels()
    if sum(len(text.get_text()) + 2 for text in names) > WIDTH:
        for text in names:
            text.set(rotation=45, ha="right", rotation_mode="anchor")


def _number_cells(ax: Axes, image: AxesImage, values: np.ndarray) -> None:
    """Write each number in black or white, whichever is seen on its cell."""
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.to_rgba(value) if np.isfinite(value) else (0.8,) * 4
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        text = f"{value:.2g}" if np.isfinite(value) else {np.inf: "∞"}.get(value, "–")
        ax.text(column, row, text, ha="center", va="center", size=SMALL,
                color="black" if light else "white")  # fmt: skip
