"""What the report of a population shows: many networks beside each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError
from cntgraph.core.names import unknown_name
from cntgraph.core.table_text import cell
from cntgraph.measures.layer_values import Distribution
from cntgraph.report.page.comparison import histogram, intervals, scatter
from cntgraph.report.page.densities import population_densities
from cntgraph.report.page.heatmaps import heatmaps
from cntgraph.report.page.page import Section, Table
from cntgraph.report.page.selection import DEFINITIONS, LAYERS, evenly, layers_of, measures_of, said
from cntgraph.training.population import Population
from cntgraph.training.statistics.divergence import divergence_matrix
from cntgraph.training.statistics.pooled_values import density_frame

if TYPE_CHECKING:
    import pandas as pd

#: Layers whose densities are drawn: each takes a pass over all networks and measures.
DRAWN = 12
#: Points of a density's curve.
POINTS = 256
SHOWN: tuple[Distribution, ...] = ("strength", "link_weights")


@dataclass(frozen=True)
class Question:
    """What a population is asked: by which label, and where good and poor begin.

    Parameters
    ----------
    by : str
    above, below : float
    """

    by: str
    above: float
    below: float

    @property
    def name(self) -> str:
        """The label as people write it."""
        return self.by.replace("_", " ")


def population_sections(
    population: Population,
    layers: Iterable[str] | None,
    asked: Question,
    *,
    client: Any = None,
    show_progress: bool = True,
) -> list[Section]:
    """Return the parts of the page about many networks.

    Parameters
    ----------
    population : Population
    layers : iterable of str or None
        Which layers have curves.
    asked : Question
    client, show_progress
        As in `Population.analyze`.

    Returns
    -------
    list of Section

    Raises
    ------
    CntGraphError
        If there is no such label, or no network can be read.
    """
    labels = _with_short_paths(population.labels)
    if asked.by not in labels.columns:
        raise unknown_name(asked.by, map(str, labels), "label")
    how = {"client": client, "show_progress": show_progress}
    table = population.analyze(**how)
    sound = table[~table["diverged"]]
    if not len(sound):
        raise CntGraphError("nothing to report: all networks diverged")
    known = layers_of(sound, layers)
    return [
        _summary(population, table, labels, asked),
        _separation(sound, known, asked),
        _distributions(population, known, asked, how),
        _measures(sound, labels, known, asked),
        _networks(population, labels, table),
    ]


def _with_short_paths(labels: pd.DataFrame) -> pd.DataFrame:
    """Return labels whose paths, if they have any, begin where they differ."""
    if "path" not in labels:
        return labels
    paths = [str(path) for path in labels["path"]]
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return labels.assign(path=[os.path.relpath(path, common or ".") for path in paths])


def _summary(
    population: Population, table: pd.DataFrame, labels: pd.DataFrame, asked: Question
) -> Section:
    values, failed, diverged = labels[asked.by], population.failed, population.diverged
    shapes = table.groupby("network")[["layer", "shape", "n_weights"]].agg(tuple)
    facts = {
        "networks": f"{table['network'].nunique():,}",
        "architectures": f"{len(shapes.drop_duplicates()):,}",
        "diverged": f"{len(diverged):,}",
        "not readable": f"{len(failed):,}",
    }
    if values.dtype.kind in "iuf":
        facts[asked.name] = f"{cell(values.min())} – {cell(values.max())}"
        facts[f"{asked.name} > {asked.above:g}"] = f"{int((values > asked.above).sum()):,}"
        facts[f"{asked.name} < {asked.below:g}"] = f"{int((values < asked.below).sum()):,}"
    parts: list[Any] = [histogram(values, asked.by, asked.above, asked.below)]
    if len(diverged):
        parts.append(Table(diverged, "Networks that diverged. They are left out of what follows."))
    if len(failed):
        parts.append(Table(failed, "What could not be read. It is left out of what follows."))
    return Section("The networks", DEFINITIONS, facts, parts)


def _separation(table: pd.DataFrame, layers: Sequence[str], asked: Question) -> Section:
    from cntgraph.training.statistics.separation import separation

    text = (
        f"How well each measure of each layer tells networks of {asked.name} above "
        f"{asked.above:g} from those below {asked.below:g}. The AUC is the probability that one "
        "of the better networks has the larger value. "
        "Whiskers are its 95 % confidence interval."
    )
    judged = table[table["layer"].isin(layers)].drop(columns="diverged")
    try:
        found = separation(judged, by=asked.by, above=asked.above, below=asked.below)
    except CntGraphError as error:
        return Section("Separation", f"It cannot be told here: {error}")
    if found["auc"].isna().all():
        return Section("Separation", "There are not networks of both kinds, or nothing differs.\n"
                       + text)  # fmt: skip
    strongest = (found["auc"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    shown = evenly(layers, LAYERS)
    caption = "Above 0.5, better networks have the larger values, below it the smaller ones."
    return Section("Separation", text, parts=[
        intervals(found[found["layer"].isin(shown)],
                  caption + said(len(shown), len(layers), "layers")),
        Table(found.loc[strongest], "All statistics, those that separate most first. KS is the "
              "Kolmogorov–Smirnov statistic; Spearman and Kendall correlate over all networks; "
              "p adjusted is the permutation p-value after Benjamini and Hochberg."),
    ])  # fmt: skip


def _distributions(
    population: Population, layers: Sequence[str], asked: Question, how: dict[str, Any]
) -> Section:
    shown = evenly(layers, DRAWN)
    left_out = said(len(shown), len(layers), "layers")
    menus = {"Measure": ["strength", "link weights"], "Layer": shown}
    densities, matrices = {}, {}
    for m, measure in enumerate(SHOWN):
        for n, layer in enumerate(shown):
            pooled = population._pooled(measure, layer, asked.by, **how)
            table = density_frame(pooled, bandwidth="scott", n_points=POINTS)
            if table["density"].max() > 0:
                densities[m, n] = table
                full = {name: own for name, own in pooled.samples().items() if own.size}
                matrix = divergence_matrix(full)
                matrices[m, n] = matrix.rename_axis(asked.name).rename_axis(asked.name, axis=1)
    text = (
        f"How the strength of the nodes of a layer, or the learned weights that lead to it, are "
        f"distributed, pooled over networks of similar {asked.name}. A curve is a kernel density; "
        "the area below it is 1."
    )
    curves = (
        f"One curve per range of {asked.name}, from dark to light, with the number of its "
        "networks. Where a curve is much higher than most, it is cut: a double click shows all "
        "of it."
    )
    cells = (
        "How far two of these distributions are from each other, as population.divergence() has "
        "it: their Jensen–Shannon divergence."
    )
    return Section("Distributions", text, parts=[
        population_densities(densities, menus, asked.name, curves + left_out),
        heatmaps("bins", matrices, menus, cells + left_out),
    ])  # fmt: skip


def _measures(
    table: pd.DataFrame, labels: pd.DataFrame, layers: Sequence[str], asked: Question
) -> Section:
    shown = evenly(layers, LAYERS)
    caption = f"One point per network, by its {asked.name}; pointing at it shows its labels."
    chart = scatter(table, labels, measures_of(table), shown, asked.by,
                    caption + said(len(shown), len(layers), "layers"))  # fmt: skip
    return Section(f"Measures against {asked.name}", parts=[chart])


def _networks(population: Population, labels: pd.DataFrame, table: pd.DataFrame) -> Section:
    diverged = labels.index.isin(population.diverged["network"])
    about = labels.assign(diverged=diverged).reset_index()
    wide = table.drop_duplicates("network").set_index("network")
    about.insert(1, "measured", about["network"].isin(wide.index))
    return Section("All networks", parts=[Table(about, "The networks and their labels.")])
