"""A small picture of each measure: on the nodes of a trained network, or over its training.

Both are of the network that comes with the package, so that pictures compare with each other.
"""

from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")

import cntgraph as cg
from cntgraph.measures.profile.catalog import CATALOG
from cntgraph.report.labels import measure_label
from cntgraph.report.plots import plot_graph
from cntgraph.report.plots.figure import new_figure, save

#: Where a measure is not defined for layers in a row, the toy that it is defined for.
TOYS = {"clustering": "recurrent", "eigenvector_centrality": "recurrent"}
#: So many of these that all layers are seen, and few enough to be made in seconds.
SNAPSHOTS = (0, 2, 3, 4, 5, 6, 8, 10, 15)
PLACE = "generated/pictures"


def _draw_nodes(name, path):
    """Color the nodes of the trained network, one a channel, by a measure."""
    with cg.open(cg.demo_file("training")) as training:
        net = cg.toy(TOYS[name]) if name in TOYS else cg.coarsen(training[-1], "channel")
        values = cg.node_measures(net, [name], sign="absolute").iloc[:, -1]
        figure, axes = new_figure(size=(5.4, 3.2))
        plot_graph(cg.build_graph(net), values=values, label=measure_label(values.name), ax=axes)
        axes.set_xlabel("")
    save(figure, path, overwrite=True)


def _over_training(names):
    """Return the profiles of the snapshots, one below the other, with the epoch of each."""
    with cg.open(cg.demo_file("training")) as training:
        epochs = training.labels["epoch"]
        tables = [
            cg.cnt_profile(training[n], measures=names, sign="absolute").assign(epoch=epochs[n])
            for n in SNAPSHOTS
        ]
    return pd.concat([table[table["status"] == "measured"] for table in tables])


def _draw_lines(name, table, path):
    """Draw a measure over the training: its mean over layers, and between which values they lie."""
    figure, axes = new_figure(size=(5.4, 3.2))
    for part, rows in table.groupby("part", sort=False):
        (line,) = axes.plot(rows["epoch"], rows["mean"], label=part or None)
        axes.fill_between(
            rows["epoch"], rows["min"], rows["max"], color=line.get_color(), alpha=0.15
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(name.replace("_", " "))
    if len(axes.lines) > 1:
        axes.legend()
    save(figure, path, overwrite=True)


def draw_all(app):
    """Draw the pictures that are not there yet."""
    place = Path(app.srcdir) / PLACE
    place.mkdir(parents=True, exist_ok=True)
    wanted = [m for m in CATALOG if not (place / f"{m.name}.svg").exists()]
    for measure in (m for m in wanted if m.level == "node"):
        _draw_nodes(measure.name, place / f"{measure.name}.svg")
    others = [measure.name for measure in wanted if measure.level != "node"]
    for name, rows in _over_training(others).groupby("measure") if others else ():
        # What follows from the topology alone is no picture of a training.
        if rows.groupby("part")["mean"].nunique().max() > 1:
            _draw_lines(name, rows, place / f"{name}.svg")
    app.config.autosummary_context["pictures"] = {
        path.stem: _network_of(path.stem) for path in place.glob("*.svg")
    }


def _network_of(name):
    """Return what a picture's caption calls the network that is measured."""
    if name in TOYS:
        return f'``cg.toy("{TOYS[name]}")``, which has loops'
    return "the network that comes with the package"


def facts():
    """Return what a page says of each measure beside its docstring."""
    return {m.name: {"level": m.level, "cost": m.complexity, "unrolls": m.unrolls} for m in CATALOG}


def setup(app):
    app.connect("builder-inited", draw_all, priority=100)
    app.config.autosummary_context["facts"] = facts()
    return {"parallel_read_safe": True}
