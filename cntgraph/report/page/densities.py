"""Charts of densities: over training with a slider, and by groups of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.report.page.chart import Chart, View, numbers, plain
from cntgraph.report.plots.labels import measure_label

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[int, int]
#: A curve higher than so many times the middle one is cut.
_CUT = 3.0


def training_densities(
    tables: Mapping[Key, pd.DataFrame],
    menus: dict[str, list[str]],
    names: Sequence[str],
    slider: str,
    caption: str,
) -> Chart:
    """Return a chart of one density at a time; a slider goes through the snapshots.

    Parameters
    ----------
    tables : mapping of (int, int) to DataFrame
        Density tables by the number of their measure and layer.
    menus : dict of str to list of str
        Names of measures and layers.
    names : sequence of str
        What the slider calls each snapshot.
    slider : str
        Label of the slider.
    caption : str

    Returns
    -------
    Chart
    """
    views = {}
    for key, table in tables.items():
        x, curves = _curves(table, "snapshot")
        frames = [{"label": name, "data": [{"y": numbers(curve)}]}
                  for name, curve in zip(names, curves.values(), strict=True)]  # fmt: skip
        common = {"type": "scatter", "mode": "lines", "x": numbers(x)}
        first, *_, last = [*curves.values(), *curves.values()]
        data = [
            {**common, "y": numbers(last), "name": "chosen", "fill": "tozeroy",
             "meta": {"series": 0}},
            {**common, "y": numbers(first), "name": f"first: {plain(names[0])}",
             "meta": {"muted": True}, "line": {"dash": "dot", "width": 1.5}},
            {**common, "y": numbers(last), "name": f"last: {plain(names[-1])}",
             "meta": {"series": 1}, "line": {"width": 1.5}},
        ]  # fmt: skip
        views[key] = View(data, _layout(table, curves.values()), frames)
    return Chart("training-densities", caption, views, menus, slider=slider)


def population_densities(
    tables: Mapping[Key, pd.DataFrame], menus: dict[str, list[str]], by: str, caption: str
) -> Chart:
    """Return a chart of one density per bin of networks.

    Parameters
    ----------
    tables : mapping of (int, int) to DataFrame
        Density tables by the number of their measure and layer.
    menus : dict of str to list of str
        Names of measures and layers.
    by : str
        The label that networks are grouped by.
    caption : str

    Returns
    -------
    Chart
    """
    views = {}
    for key, table in tables.items():
        x, curves = _curves(table, "bin")
        networks = dict(table.groupby("bin", sort=False, observed=True)["n_networks"].first())
        data = [
            {"type": "scatter", "mode": "lines", "x": numbers(x), "y": numbers(curve),
             "name": f"{plain(by)} {plain(name)} ({networks[name]})",
             "meta": {"shade": k / max(len(curves) - 1, 1)}}
            for k, (name, curve) in enumerate(curves.items())
        ]  # fmt: skip
        views[key] = View(data, _layout(table, curves.values()))
    return Chart("population-densities", caption, views, menus)


def _curves(table: pd.DataFrame, column: str) -> tuple[Any, dict[Any, Any]]:
    """Return the grid, which all share, and the curves by what they are of."""
    known = table[table["density"].notna()]
    groups = known.groupby(column, sort=False, observed=True)
    curves = {name: _without_tails(part["density"].to_numpy(dtype=float)) for name, part in groups}
    return known["x"].to_numpy(dtype=float)[: len(next(iter(curves.values()), ()))], curves


def _without_tails(values: Any) -> Any:
    """Return zero for what is too small to be seen, which takes less room in the page."""
    return np.where(values > 1e-5 * values.max(initial=0.0), values, 0.0)


def _layout(table: pd.DataFrame, curves: Any) -> dict[str, Any]:
    peaks = [float(np.max(curve)) for curve in curves]
    top = min(max(peaks, default=1.0), _CUT * float(np.median(peaks or [1.0])) or 1.0) * 1.06
    return {
        "xaxis": {"title": {"text": measure_label(str(table["measure"].iloc[0]))}},
        "yaxis": {"title": {"text": "probability density (1/weight)"}, "range": [0, top]},
    }
