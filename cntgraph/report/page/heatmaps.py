"""Charts of divergences: heatmaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cntgraph.report.labels import divergence_label
from cntgraph.report.page.chart import Chart, View, numbers, plain, ticks

if TYPE_CHECKING:
    import pandas as pd

#: Up to so many cells a side stand apart.
GAPS = 24

_LABEL = divergence_label("jensen_shannon")


def heatmaps(
    name: str,
    matrices: Mapping[Any, pd.DataFrame],
    menus: dict[str, list[str]],
    caption: str,
) -> Chart:
    """Return a chart of matrices, the first row above.

    Parameters
    ----------
    name : str
        Id of the chart.
    matrices : mapping of tuple of int to DataFrame
        By the numbers of the options in the menus; the names of index and columns are titles.
    menus : dict of str to list of str
    caption : str

    Returns
    -------
    Chart
    """
    views = {key: _view(matrix) for key, matrix in matrices.items()}
    square = all(matrix.shape[0] == matrix.shape[1] for matrix in matrices.values())
    return Chart(name, caption, views, menus, square=square, measures=["divergence"])


def _view(matrix: pd.DataFrame) -> View:
    rows, columns = ([plain(item) for item in axis] for axis in (matrix.index, matrix.columns))
    hover = [[f"{row} – {column}" for column in columns] for row in rows]
    gap = 1 if max(matrix.shape) <= GAPS else 0
    trace = {
        "type": "heatmap", "z": numbers(matrix.to_numpy()), "text": hover, "colorscale": "Viridis",
        "zmin": 0, "hovertemplate": "%{text}<br>%{z}<extra></extra>", "xgap": gap, "ygap": gap,
        "colorbar": {"title": {"text": _LABEL, "side": "right"}, "thickness": 12,
                     "outlinewidth": 0},
    }  # fmt: skip
    down = {**_axis(matrix.index), "autorange": "reversed"}
    if matrix.shape[0] == matrix.shape[1]:
        down |= {"scaleanchor": "x", "constrain": "domain"}
    across = {**_axis(matrix.columns), "constrain": "domain", "tickangle": _angle(matrix.columns)}
    return View([trace], {"xaxis": across, "yaxis": down})


def _axis(index: pd.Index) -> dict[str, Any]:
    title = "" if index.name is None else plain(str(index.name).replace("_", " "))
    return {**ticks(list(index)), "title": {"text": title}, "showgrid": False, "zeroline": False}


def _angle(index: pd.Index) -> int:
    """Return how far names are turned so that they do not touch, nor the color bar."""
    return -40 if max((len(str(name)) for name in index), default=0) > 6 else 0
