"""Making and saving figures without a display and without pyplot's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cntgraph.core.new_file import new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(ncols: int = 1, *, size: tuple[float, float] = (5, 3.5)) -> tuple[Figure, Any]:
    """Return a figure and its axes, side by side.

    Parameters
    ----------
    ncols : int, default 1
        Number of axes.
    size : tuple of float
        Width and height in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : Axes or ndarray of Axes
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(ncols=ncols)


def save(figure: Figure, path: Path, *, overwrite: bool = False) -> None:
    """Save a figure; the suffix says in which format.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    overwrite : bool, default False
        Whether a file of that name is replaced.

    Raises
    ------
    CntGraphError
        If the format is unknown, there is a file already, or it cannot be written.
    """
    with new_file(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)
