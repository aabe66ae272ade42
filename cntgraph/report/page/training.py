"""What the report of a trajectory shows: one network through its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cntgraph.core.progress import progress
from cntgraph.core.table_text import cell
from cntgraph.measures.layer_values import Distribution
from cntgraph.report.labels import measure_label
from cntgraph.report.page.changes import change_sections
from cntgraph.report.page.chart import Chart, View, numbers, plain
from cntgraph.report.page.densities import training_densities
from cntgraph.report.page.heatmaps import heatmaps
from cntgraph.report.page.lines import line, titles
from cntgraph.report.page.page import Section, Table
from cntgraph.report.page.selection import DEFINITIONS, LAYERS, evenly, layers_of, measures_of, said
from cntgraph.report.training_axis import training_axis
from cntgraph.training.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

#: Snapshots whose measures are drawn, and whose densities and divergences are.
MEASURED, DRAWN = 200, 40
#: Points of a density's curve.
POINTS = 256
#: Of more layers, the densities of all come from one pass over the network.
FEW = 3
SHOWN: tuple[Distribution, ...] = ("strength", "link_weights")
_ABOUT = (
    "layer", "kind", "shape", "n_nodes", "n_edges", "strength_mean", "fluctuation",
    "link_weight_mean", "link_weight_std", "status",
)  # fmt: skip


def trajectory_sections(
    trajectory: Trajectory, layers: Iterable[str] | None, *, show_progress: bool = True
) -> list[Section]:
    """Return the parts of the page about one network in training.

    Parameters
    ----------
    trajectory : Trajectory
    layers : iterable of str or None
        Which layers have curves.
    show_progress : bool, default True

    Returns
    -------
    list of Section
    """
    measured = _thinned(trajectory, MEASURED)
    table = measured.analyze(show_progress=show_progress)
    known = layers_of(table, layers)
    chosen = evenly(known, LAYERS)
    left_out = said(len(chosen), len(known), "layers")
    drawn = _thinned(trajectory, DRAWN)
    not_drawn = said(len(drawn), len(trajectory), "snapshots")
    return [
        summary_section(trajectory, table),
        _measures(measured, table, chosen, said(len(measured), len(trajectory), "snapshots")
                  + left_out),
        *change_sections(drawn, known, *_shared(drawn.labels), not_drawn),
        *_distributions(drawn, chosen, not_drawn + left_out, show_progress=show_progress),
    ]  # fmt: skip


def _thinned(trajectory: Trajectory, most: int) -> Trajectory:
    """Return a trajectory of evenly spaced snapshots, the first and the last among them."""
    return Trajectory(trajectory._store, evenly(trajectory._snapshots, most))


def summary_section(trajectory: Trajectory, table: pd.DataFrame) -> Section:
    """Return what the network is: its size, its layers, and its snapshots if there are several."""
    net, labels = trajectory.topology, trajectory.labels
    facts = {
        "snapshots": f"{len(trajectory):,}", "layers": f"{net.n_layers:,}",
        "nodes": f"{net.n_nodes:,}", "edges": f"{net.n_edges:,}",
        "parameters": f"{net.n_parameters:,}",
    }  # fmt: skip
    for name in labels.columns:
        first, last = cell(labels[name].iloc[0]), cell(labels[name].iloc[-1])
        facts[str(name).replace("_", " ")] = first if first == last else f"{first} → {last}"
    last = table[table["snapshot"] == table["snapshot"].max()]
    about = last[[name for name in _ABOUT if name in last.columns]]
    if len(trajectory) == 1:
        del facts["snapshots"]
        layers = Table(about, "The layers and their measures.")
        return Section("The network", DEFINITIONS, facts, [layers])
    layers = Table(about, "The layers and their measures in the last snapshot.")
    every = labels.reset_index()
    return Section("The network", DEFINITIONS, facts, [
        layers, Table(every, "The snapshots and what was recorded with each.")])  # fmt: skip


def _axis(labels: pd.DataFrame) -> tuple[str, list[Any]]:
    """Return what snapshots are told apart by: step, epoch, or their number."""
    name = training_axis(labels.reset_index())
    return name, list(range(len(labels))) if name == "snapshot" else labels[name].tolist()


def _shared(labels: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return what snapshots are told apart by, and what lines over them have in common."""
    axis, places = _axis(labels)
    return axis, {"x": numbers(places), "text": [plain(name) for name in _names(labels)]}


def _names(labels: pd.DataFrame) -> list[str]:
    """Return what a snapshot is called: its step and its accuracy, if it has them."""
    name, values = _axis(labels)
    also = "accuracy" if "accuracy" in labels.columns else None
    texts = [f"{name} {cell(value)}" for value in values]
    if also is None:
        return texts
    return [f"{text}, accuracy {cell(value)}"
            for text, value in zip(texts, labels[also], strict=True)]  # fmt: skip


def _measures(
    trajectory: Trajectory, table: pd.DataFrame, layers: Sequence[str], left_out: str
) -> Section:
    labels = trajectory.labels
    axis, shared = _shared(labels)
    kinds = measures_of(table)
    views = {}
    for k, measure in enumerate(kinds):
        wide = table.pivot_table(measure, "snapshot", "layer", sort=False, observed=True)
        wide = wide.reindex(range(len(labels)))
        data = [line(layer, wide[layer], n) for n, layer in enumerate(layers) if layer in wide]
        views[k,] = View(data, titles(axis, measure_label(measure)))
    caption = (
        "The chosen measure of every layer over training. A click on a layer hides it, a double "
        "click shows it alone." + left_out
    )
    menus = {"Measure": [name.replace("_", " ") for name in kinds]}
    chart = Chart("measures", caption, views, menus, shared=shared, measures=kinds)
    text = "How the strengths and the weights of each layer change while the network learns."
    recorded = _recorded(labels, axis, shared)
    return Section("Measures over training", text, parts=[chart, *recorded])


def _recorded(labels: pd.DataFrame, axis: str, shared: dict[str, Any]) -> list[Chart]:
    """Return a chart of what was recorded besides, such as accuracy, if anything was."""
    names = [name for name in labels.select_dtypes("number") if name not in ("step", "epoch")]
    views = {
        (k,): View([line(str(name), labels[name], k)], titles(axis, str(name).replace("_", " ")))
        for k, name in enumerate(names)
    }
    caption = "What was recorded with the snapshots."
    menus = {"Label": [str(name).replace("_", " ") for name in names]}
    return [Chart("labels", caption, views, menus, shared=shared)] if names else []


def _distributions(
    trajectory: Trajectory,
    layers: Sequence[str],
    left_out: str,
    *,
    show_progress: bool,
) -> list[Section]:
    """Return the sections of densities and of divergences."""
    import pandas as pd

    measures = (*SHOWN, *trajectory.neuron_measures)
    menus = {"Measure": [name.replace("_", " ") for name in measures], "Layer": list(layers)}
    densities, squares, columns = {}, {}, {}
    for m, measure in enumerate(measures):
        from_first = {}
        for layer, table in layer_densities(trajectory, measure, layers, show_progress).items():
            n = layers.index(layer)
            densities[m, n] = table
            squares[m, n] = _divergence(trajectory, measure, layer)
            from_first[layer] = squares[m, n].iloc[0]
        if from_first:
            columns[m,] = pd.DataFrame(from_first).T.rename_axis("layer")
    shown = training_densities(
        densities, menus, _names(trajectory.labels), "Snapshot", _DENSITIES + left_out
    )
    return [
        Section("Distributions", _DISTRIBUTIONS, parts=[shown]),
        Section("Divergences", _DIVERGENCES, parts=[
            heatmaps("from-first", columns, {"Measure": menus["Measure"]}, _FROM_FIRST + left_out),
            heatmaps("between", squares, menus, _BETWEEN + left_out),
        ]),
    ]  # fmt: skip


def layer_densities(
    trajectory: Trajectory, measure: str, layers: Sequence[str], show_progress: bool
) -> dict[str, pd.DataFrame]:
    """Return the density table of every layer that has values, by its name."""
    import pandas as pd

    if len(layers) > FEW:
        whole = trajectory.density(measure, n_points=POINTS)
    else:
        each = progress(layers, measure, show=show_progress)
        whole = pd.concat([trajectory.density(measure, x, n_points=POINTS) for x in each])
    tables = {str(name): table for name, table in whole.groupby("layer", sort=False)}
    return {x: tables[x] for x in layers if x in tables and tables[x]["density"].max() > 0}


def _divergence(trajectory: Trajectory, measure: str, layer: str) -> pd.DataFrame:
    """Return how far a layer's distributions are from each other, snapshots named by step."""
    import pandas as pd

    axis, places = _axis(trajectory.labels)
    names = pd.Index([cell(place) for place in places], name=axis)
    return pd.DataFrame(trajectory.divergence(measure, layer).to_numpy(), names, names)


_DISTRIBUTIONS = (
    "How the strength of the nodes of a layer, or the learned weights that lead to it, are "
    "distributed; and, if that was recorded, the means of its neurons over data. A curve is a "
    "kernel density; the area below it is 1."
)
_DENSITIES = (
    "The slider goes through training; the first and the last snapshot stay for comparison. "
    "Where a curve is much higher than most, it is cut: a double click shows all of it."
)
_DIVERGENCES = (
    "How far these distributions are from each other, as trajectory.divergence() has it: their "
    "Jensen–Shannon divergence."
)
_FROM_FIRST = "Of each layer from what it was in the first snapshot."
_BETWEEN = (
    "Between all pairs of snapshots of one layer. A dark square is a time in which little "
    "changed, a light border a time in which much did."
)
