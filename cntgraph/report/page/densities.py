"""Charts of densities: over training with a slider, and by groups of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.report.curves import Curve, density_curves
from cntgraph.report.labels import measure_label
from cntgraph.report.page.chart import Chart, View, numbers, plain

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
        curves = [_without_tails(curve) for curve in density_curves(table, "snapshot")]
        frames = [{"label": name, "data": [{"y": numbers(curve.y)}]}
                  for name, curve in zip(names, curves, strict=True)]  # fmt: skip
        first, last = curves[0], curves[-1]
        common = {"type": "scatter", "mode": "lines", "x": numbers(first.x)}
        data = [
            {**common, "y": numbers(last.y), "name": "chosen", "fill": "tozeroy",
             "meta": {"series": 0}},
            {**common, "y": numbers(first.y), "name": f"first: {plain(names[0])}",
             "meta": {"muted": True}, "line": {"dash": "dot", "width": 1.5}},
            {**common, "y": numbers(last.y), "name": f"last: {plain(names[-1])}",
             "meta": {"series": 1}, "line": {"width": 1.5}},
        ]  # fmt: skip
        views[key] = View(data, _layout(table, curves), frames)
    return Chart("training-densities", caption, views, menus, slider=slider,
                 measures=_measures(menus))  # fmt: skip


def one_density(table: pd.DataFrame) -> View:
    """Return the view of the density of one layer of one network.

    Parameters
    ----------
    table : pandas.DataFrame
        As `Trajectory.density` returns it, of one snapshot.
    """
    curves = [_without_tails(curve) for curve in density_curves(table, "snapshot")]
    data = [
        {"type": "scatter", "mode": "lines", "x": numbers(curve.x), "y": numbers(curve.y),
         "fill": "tozeroy", "meta": {"series": 0}}
        for curve in curves
    ]  # fmt: skip
    return View(data, {**_layout(table, curves), "showlegend": False})


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
        curves = [_without_tails(curve) for curve in density_curves(table, "bin")]
        networks = dict(table.groupby("bin", sort=False, observed=True)["n_networks"].first())
        data = [
            {"type": "scatter", "mode": "lines", "x": numbers(curve.x), "y": numbers(curve.y),
             "name": f"{plain(by)} {plain(curve.of)} ({networks[curve.of]})",
             "meta": {"shade": k / max(len(curves) - 1, 1)}}
            for k, curve in enumerate(curves)
        ]  # fmt: skip
        views[key] = View(data, _layout(table, curves))
    return Chart("population-densities", caption, views, menus, measures=_measures(menus))


def _measures(menus: dict[str, list[str]]) -> list[str]:
    """Return the measures that a menu names as people write them."""
    return [name.replace(" ", "_") for name in menus["Measure"]]


def _without_tails(curve: Curve) -> Curve:
    """Return zero for what is too small to be seen, which takes less room in the page."""
    seen = curve.y > 1e-5 * curve.y.max(initial=0.0)
    return curve._replace(y=np.where(seen, curve.y, 0.0))


def _layout(table: pd.DataFrame, curves: Sequence[Curve]) -> dict[str, Any]:
    peaks = [float(curve.y.max()) for curve in curves]
    top = min(max(peaks, default=1.0), _CUT * float(np.median(peaks or [1.0])) or 1.0) * 1.06
    return {
        "xaxis": {"title": {"text": measure_label(str(table["measure"].iloc[0]))}},
        "yaxis": {"title": {"text": "probability density (1/weight)"}, "range": [0, top]},
    }
