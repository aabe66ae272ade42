"""What the report of one trained network shows: its layers beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cntgraph.measures.views import structural_layers
from cntgraph.report.labels import measure_label
from cntgraph.report.page.chart import Chart, View, numbers, plain, ticks
from cntgraph.report.page.densities import one_density
from cntgraph.report.page.page import Section
from cntgraph.report.page.selection import LAYERS, evenly, layers_of, measures_of, said
from cntgraph.report.page.training import SHOWN, layer_densities, summary_section
from cntgraph.training.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

#: Layers that are named below bars.
_NAMED = 24


def network_sections(
    trajectory: Trajectory, layers: Iterable[str] | None, *, show_progress: bool = True
) -> list[Section]:
    """Return the parts of the page about one trained network.

    Parameters
    ----------
    trajectory : Trajectory
        Of one snapshot.
    layers : iterable of str or None
        Which layers have curves.
    show_progress : bool, default True

    Returns
    -------
    list of Section
    """
    table = trajectory.analyze(show_progress=show_progress)
    known = layers_of(table if layers is not None else _told(table), layers)
    chosen = evenly(known, LAYERS)
    left_out = said(len(chosen), len(known), "layers")
    return [
        summary_section(trajectory, table),
        _measures(table[table["layer"].isin(known)]),
        _distributions(trajectory, chosen, left_out, show_progress=show_progress),
    ]


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of layers that do more than route values, as `analyze` shows them."""
    folded = structural_layers({str(name): table[name].tolist() for name in table.columns})
    return table[[not fold for fold in folded]]


def _measures(table: pd.DataFrame) -> Section:
    names, kinds = table["layer"].tolist(), measures_of(table)
    views = {}
    for k, measure in enumerate(kinds):
        bars = {
            "type": "bar", "x": list(range(len(names))), "y": numbers(table[measure]),
            "text": [plain(name) for name in names], "textposition": "none",
            "hovertemplate": "%{text}<br>%{y}<extra></extra>", "meta": {"series": 0},
        }  # fmt: skip
        across = {**ticks(names, _NAMED), "tickangle": -40, "title": {"text": ""}}
        up = {"title": {"text": plain(measure_label(measure))}}
        views[k,] = View([bars], {"xaxis": across, "yaxis": up, "showlegend": False})
    menus = {"Measure": [name.replace("_", " ") for name in kinds]}
    return Section("Measures of layers", _MEASURES, parts=[
        Chart("measures", "The chosen measure of every layer, from the input to the output.",
              views, menus, measures=kinds)])  # fmt: skip


def _distributions(
    trajectory: Trajectory, layers: Sequence[str], left_out: str, *, show_progress: bool
) -> Section:
    measures = (*SHOWN, *trajectory.neuron_measures)
    menus = {"Measure": [name.replace("_", " ") for name in measures], "Layer": list(layers)}
    views = {
        (m, layers.index(layer)): one_density(table)
        for m, measure in enumerate(measures)
        for layer, table in layer_densities(trajectory, measure, layers, show_progress).items()
    }
    caption = "A kernel density; the area below it is 1." + left_out
    return Section("Distributions", _DISTRIBUTIONS, parts=[
        Chart("densities", caption, views, menus, measures=measures)])  # fmt: skip


_MEASURES = "How strongly the nodes of each layer are connected, and how its weights are spread."
_DISTRIBUTIONS = (
    "How the strength of the nodes of a layer, or the learned weights that lead to it, are "
    "distributed; and, if that was recorded, the means of its neurons over data."
)
