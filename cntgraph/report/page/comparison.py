"""Charts that compare networks: a histogram, intervals, points, and how far bins are apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.table_text import cell
from cntgraph.report.intervals import intervals_of
from cntgraph.report.labels import measure_label, short_name
from cntgraph.report.page.chart import Chart, View, numbers, plain, ticks

if TYPE_CHECKING:
    import pandas as pd

#: Groups of measures that can be seen at once.
GROUPS = {
    "fluctuation, strength, link weights": (
        "fluctuation", "strength_mean", "link_weight_mean", "link_weight_std",
    ),
    "strengths": (
        "fluctuation", "strength_mean", "in_strength_mean", "in_strength_std",
        "out_strength_mean", "out_strength_std",
    ),
    "link weights": (
        "link_weight_mean", "link_weight_std", "link_weight_skew", "link_weight_kurtosis",
    ),
}  # fmt: skip


def histogram(values: pd.Series, by: str, above: float, below: float) -> Chart:
    """Return a chart of how many networks have which label.

    Parameters
    ----------
    values : pandas.Series
        One value per network.
    by : str
        What the label is called.
    above, below : float
        Where good and poor networks begin; marked.

    Returns
    -------
    Chart
    """
    name = by.replace("_", " ")
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": plain(name)}}, "yaxis": {"title": {"text": "networks"}},
        "bargap": 0.05, "showlegend": False,
    }  # fmt: skip
    if values.dtype.kind in "iuf" and np.isfinite(values).any():
        finite = values[np.isfinite(values)].to_numpy(dtype=float)
        counts, edges = np.histogram(finite, bins=20)
        x, text = (edges[1:] + edges[:-1]) / 2, _ranges(edges)
        inside = [place for place in (below, above) if edges[0] < place < edges[-1]]
        layout["shapes"] = [
            {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "yref": "paper",
             "line": {"dash": "dot", "width": 1.5}} for place in inside
        ]  # fmt: skip
        trace = {"x": numbers(x), "y": counts.tolist(), "width": float(edges[1] - edges[0]) * 0.95}
    else:
        found = values.astype(str).value_counts(sort=False)
        text, trace = list(found.index), {"x": [plain(n) for n in found.index], "y": found.tolist()}
    bars = {"type": "bar", **trace, "text": [plain(t) for t in text], "textposition": "none",
            "hovertemplate": "%{text}: %{y}<extra></extra>", "meta": {"series": 0}}  # fmt: skip
    caption = f"Networks by {name}."
    if layout.get("shapes"):
        caption += f" Dotted: {below:g} and {above:g}, below and above which they are compared."
    return Chart("histogram", caption, {(): View([bars], layout)})


def _ranges(edges: Any) -> list[str]:
    return [f"{cell(low)} – {cell(high)}" for low, high in pairwise(edges)]


def intervals(table: pd.DataFrame, caption: str) -> Chart:
    """Return a chart of AUCs with their confidence intervals, by layer and measure.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per layer and measure, as `separation` returns it.
    caption : str

    Returns
    -------
    Chart
    """
    layers = list(dict.fromkeys(table["layer"]))
    views: dict[tuple[int], View] = {}
    names: list[str] = []
    for name, measures in GROUPS.items():
        known = [m for m in measures if (table["measure"] == m).any()]
        if known:
            views[len(names),] = _interval_view(table, layers, known)
            names.append(name)
    return Chart("separation", caption, views, {"Measures": names}, measures=["separation"])


def _interval_view(table: pd.DataFrame, layers: Sequence[str], measures: Sequence[str]) -> View:
    data = []
    for k, shown in enumerate(intervals_of(table, layers, measures)):
        hover = [
            f"{plain(row.layer)}: AUC {row.auc:.3f} ({row.auc_low:.3f} to {row.auc_high:.3f})<br>"
            f"{row.n_above} against {row.n_below} networks, p adjusted {row.p_adjusted:.2g}"
            for row in shown.rows.itertuples()
        ]
        data.append({
            "type": "scatter", "mode": "markers", "x": numbers(shown.auc),
            "y": shown.place.tolist(),
            "error_x": {"type": "data", "array": numbers(shown.above),
                        "arrayminus": numbers(shown.below)},
            "text": hover, "hovertemplate": "%{text}", "name": shown.measure.replace("_", " "),
            "marker": {"size": 8}, "meta": {"series": k}, "showlegend": True,
        })  # fmt: skip
    return View(data, {
        "xaxis": {"title": {"text": "AUC (0.5 is chance)"}, "range": [-0.02, 1.02]},
        "yaxis": {**ticks(layers, 24), "range": [len(layers) - 0.5, -0.5], "zeroline": False},
        "shapes": [{"type": "line", "x0": 0.5, "x1": 0.5, "y0": 0, "y1": 1, "yref": "paper",
                    "line": {"dash": "dash", "width": 1.5}}],
        "height": max(420, 120 + 15 * len(layers) * len(measures)),
    })  # fmt: skip


def scatter(
    table: pd.DataFrame,
    labels: pd.DataFrame,
    measures: Sequence[str],
    layers: Sequence[str],
    by: str,
    caption: str,
) -> Chart:
    """Return a chart of a measure of a layer against a label, one point per network.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Population.analyze` returns it.
    labels : pandas.DataFrame
        One row per network.
    measures, layers : sequence of str
        What can be chosen.
    by : str
        The label along the horizontal axis.
    caption : str

    Returns
    -------
    Chart
    """
    labels = labels.loc[sorted(table["network"].unique())]
    numeric = labels[by].dtype.kind in "iuf"
    shared = {
        "x": numbers(labels[by]) if numeric else [plain(value) for value in labels[by]],
        "text": ["<br>".join(_about(number, row)) for number, row in labels.iterrows()],
    }
    views = {}
    for m, measure in enumerate(measures):
        wide = table.pivot_table(measure, "network", "layer", sort=False, observed=True)
        wide = wide.reindex(labels.index)
        titles = {"xaxis": {"title": {"text": plain(by.replace("_", " "))}},
                  "yaxis": {"title": {"text": measure_label(measure)}}}  # fmt: skip
        for n, layer in enumerate(layers):
            if layer in wide and wide[layer].notna().any():
                points = {"type": "scatter", "mode": "markers", "y": numbers(wide[layer]),
                          "marker": {"size": 7, "opacity": 0.75}, "name": plain(layer),
                          "hovertemplate": "%{text}<br>%{y}<extra></extra>",
                          "meta": {"series": 0, "shared": True}}  # fmt: skip
                views[m, n] = View([points], titles)
    menus = {"Measure": [name.replace("_", " ") for name in measures], "Layer": list(layers)}
    return Chart("scatter", caption, views, menus, shared=shared, measures=measures)


def _about(number: Any, row: pd.Series) -> list[str]:
    """Return the lines that tell of a network when it is pointed at; not more than fit."""
    known = [(str(name), cell(value)) for name, value in row.items() if cell(value) != ""]
    lines = [f"{name.replace('_', ' ')}: {short_name(value, 48)}" for name, value in known[:10]]
    return [plain(line) for line in (f"network {number}", *lines)]
