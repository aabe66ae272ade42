"""The figures of the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import Tables

from cntgraph.report.plots.separation import plot_separation
from cntgraph.report.plots.style import COLORS, MARKERS

DPI = 100

#: What the chart of AUCs shows; the tables have the rest.
SHOWN = ("link_weight_mean", "link_weight_std", "strength_mean", "fluctuation")


def panels(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with n axes side by side."""
    figure = Figure(figsize=(width * n, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(1, n, squeeze=False)[0])
    for ax in axes:
        ax.spines[["right", "top"]].set_visible(False)
    return figure, axes


def draw_histograms(
    populations: Mapping[str, Tables], bounds: Mapping[str, tuple[float, float]], path: Path
) -> None:
    """Draw how accurate the networks are, stacked by optimizer."""
    figure, axes = panels(len(populations), 3.0, 2.6)
    for ax, (name, tables) in zip(axes, populations.items(), strict=True):
        table = tables.networks
        lowest = min(0.0, float(np.floor(table["accuracy"].min() * 10) / 10))
        edges = np.linspace(lowest, 1, 41)
        kinds = ["sgd", "adam"]
        values = [
            table.loc[table["optimizer"] == kind, "accuracy"].clip(edges[0]) for kind in kinds
        ]
        ax.hist(values, edges, stacked=True, color=COLORS[:2], label=["SGD", "Adam"])
        for bound in bounds[name]:
            ax.axvline(bound, color="0.4", linewidth=0.8, linestyle="--")
        ax.set_title(f"{name.replace('_', ' ')} ({len(table)})", size=10)
        ax.set_xlabel("test accuracy" if not name.endswith("ae") else "share of variance restored")
    axes[0].set_ylabel("networks")
    axes[0].legend(frameon=False)
    figure.savefig(path)


def draw_separation(separations: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw the AUC of four measures by layer, with confidence intervals."""
    figure, axes = panels(len(separations), 3.6, 4.4)
    for ax, (name, table) in zip(axes, separations.items(), strict=True):
        plot_separation(table[table["measure"].isin(SHOWN)], ax=ax)
        ax.get_legend().remove()
        ax.set_title(name.replace("_", " "), size=10)
        ax.set_xlabel("AUC, 95 % interval (0.5 is chance)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path)


def draw_scatter(populations: Mapping[str, Tables], path: Path) -> None:
    """Draw accuracy over the fluctuation of the first hidden layer, colored by initialization."""
    figure, axes = panels(len(populations), 3.2, 3.6)
    for ax, (name, tables) in zip(axes, populations.items(), strict=True):
        hidden = tables.layers["layer"].iloc[1]
        table = tables.labeled_layers()
        table = table[table["layer"] == hidden]
        for k, (init, part) in enumerate(table.groupby("init")):
            for scale, some in part.groupby("scale"):
                face = COLORS[k] if scale > 0.1 else "none"
                ax.scatter(some["fluctuation"], some["accuracy"], s=10, marker=MARKERS[k],
                           facecolors=face, edgecolors=COLORS[k], linewidths=0.6,
                           label=f"{str(init).replace('_', ' ')} {scale:g}")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xlabel(f"fluctuation of {hidden}")
        ax.set_title(name.replace("_", " "), size=10)
    axes[0].set_ylabel("accuracy")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path)


def draw_prediction(predictions: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw R² of each feature set, a color a population."""
    figure, (ax,) = panels(1, 7.0, 4.4)
    names = list(next(iter(predictions.values())).index)
    height = 0.8 / len(predictions)
    for k, (name, table) in enumerate(predictions.items()):
        places = np.arange(len(names)) + (k - (len(predictions) - 1) / 2) * height
        values = table["r2"].reindex(names).clip(lower=0)
        ax.barh(places, values, height * 0.95, xerr=table["r2_std"].reindex(names),
                color=COLORS[k], ecolor="0.4", error_kw={"linewidth": 0.8},
                label=name.replace("_", " "))  # fmt: skip
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel("R² of boosted trees, cross-validated")
    figure.legend(loc="outside upper center", ncols=len(predictions), frameon=False)
    figure.savefig(path)
