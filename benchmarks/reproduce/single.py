"""Follow single networks from chance to their best accuracy: the papers' individual analysis.

    python benchmarks/reproduce/single.py --data FOLDER [--output FOLDER]

One fully connected and one convolutional network on MNIST, and one convolutional network on
CIFAR-10, are recorded with `cntgraph.Recorder` while they learn, often at first.
Writes single_layers.csv.gz (`analyze` of each snapshot), single_divergence.csv.gz (how far each
layer's strengths and link weights are from those at the start: Jeffreys' divergence, and the
Kolmogorov–Smirnov statistic) and two figures. Takes two minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from architectures import as_input, build, example_input
from data import Images, add_arguments, check_folder, load_images, to_float
from matplotlib.figure import Figure
from tables import FLOAT_FORMAT, RESULTS
from training import BATCH, evaluate, initialize, losses, make_optimizer

import cntgraph as cg
from cntgraph.measures.layer_values import Distribution, values_by_layer
from cntgraph.report.plots.training import plot_training
from cntgraph.training.statistics.divergence import divergence

RUNS = (("mnist", "fc", 3000), ("mnist", "cnn", 3000), ("cifar10", "cnn", 6000))
"""Task, architecture and number of updates."""

MOMENTS = 16
SEED = 0
INIT = ("normal", 0.05)
"""The papers' most used initialization; trained by Adam."""

MEASURES: tuple[Distribution, ...] = ("strength", "link_weights")


def record(path: Path, arch: str, updates: int, images: Images) -> None:
    """Train one network, and record it at moments that are close at first, then wider apart."""
    generator = torch.Generator().manual_seed(SEED)
    model = build(arch, images.shape)
    initialize(model, *INIT, generator)
    optimizer = make_optimizer("adam", list(model.parameters()))
    moments = set((updates * np.linspace(0, 1, MOMENTS) ** 3).round().astype(int).tolist())
    with cg.Recorder(path, model, example_input(arch, images.shape)) as recorder:
        for step in range(updates + 1):
            if step in moments:
                recorder(step=step, **evaluate(arch, model, images))
            chosen = torch.randint(images.n_train, (BATCH,), generator=generator)
            x, y = as_input(arch, to_float(images.train_x[chosen])), images.train_y[chosen]
            optimizer.zero_grad()
            losses(arch, model(x)[None], x[None], y[None]).sum().backward()
            optimizer.step()


def until_best(trajectory: cg.Trajectory) -> cg.Trajectory:
    """Return the snapshots from the start to the most accurate one."""
    best = int(trajectory.labels["accuracy"].to_numpy().argmax())
    return trajectory[: best + 1]


def divergences(trajectory: cg.Trajectory) -> pd.DataFrame:
    """Return how far every layer's distributions are from where they started."""
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        start = values_by_layer(trajectory[0], measure)
        for net in trajectory:
            for layer, found in values_by_layer(net, measure).items():
                about = {"step": net.labels["step"], "layer": layer, "measure": measure}
                for kind in ("jeffreys", "kolmogorov_smirnov"):
                    about[kind] = divergence(start[layer], found, kind)
                rows.append(about)
    return pd.DataFrame(rows)


def draw(layers: pd.DataFrame, moved: pd.DataFrame, folder: Path) -> None:
    """Draw fluctuation and strength over training, and how far distributions moved."""
    runs = list(dict.fromkeys(layers["run"]))
    figure = Figure(figsize=(3.1 * len(runs), 5), dpi=90, layout="constrained")
    axes = figure.subplots(2, len(runs))
    for k, run in enumerate(runs):
        part = layers[layers["run"] == run]
        part = part[part["step"] > 0]
        best = part["accuracy"].max()
        for ax, measure in zip(axes[:, k], ("fluctuation", "strength_mean"), strict=True):
            plot_training(part, measure, x="step", ax=ax)
            ax.set_xscale("log")
            ax.set_xlabel("update")
        axes[0, k].set_title(f"{run}: accuracy to {best:.2f}", size=10)
    figure.savefig(folder / "single.png")

    figure = Figure(figsize=(3.1 * len(runs), 3), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(runs), sharey=True)
    for ax, run in zip(axes, runs, strict=True):
        last = moved[moved["run"] == run].drop_duplicates(["layer", "measure"], keep="last")
        table = last.pivot_table("kolmogorov_smirnov", "layer", "measure", sort=False)
        colors = {"link_weights": "#D55E00", "strength": "#0072B2"}
        table = table.rename(columns=lambda name: name.replace("_", " "))
        names = {name.replace("_", " "): color for name, color in colors.items()}
        table.plot.bar(ax=ax, rot=0, color=names, width=0.75, legend=False)
        ax.spines[["right", "top"]].set_visible(False)
        ax.set_title(run, size=10)
        ax.set_ylabel("KS statistic, start to best")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(folder / "single_divergence.png")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    layers, moved = [], []
    for task, arch, updates in RUNS:
        name = f"{task} {arch}"
        images = load_images(check_folder(parser, options.data, task), task)
        with tempfile.TemporaryDirectory() as folder:
            record(Path(folder) / "run.h5", arch, updates, images)
            with cg.open(Path(folder) / "run.h5") as trajectory:
                way = until_best(trajectory)
                layers.append(way.analyze().assign(run=name))
                moved.append(divergences(way).assign(run=name))
        print(f"{name}: accuracy {layers[-1]['accuracy'].max():.3f}")
    options.output.mkdir(parents=True, exist_ok=True)
    tables = {"single_layers": pd.concat(layers), "single_divergence": pd.concat(moved)}
    for name, table in tables.items():
        path = options.output / f"{name}.csv.gz"
        compression = {"method": "gzip", "mtime": 0}
        table.to_csv(path, index=False, float_format=FLOAT_FORMAT, compression=compression)
    draw(*tables.values(), options.output)


if __name__ == "__main__":
    main()
