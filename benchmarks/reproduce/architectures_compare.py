"""Compare architectures, activations and depths, as arXiv:2209.05488 and arXiv:2404.11172 do.

    python benchmarks/reproduce/architectures_compare.py --data FOLDER [--output FOLDER]

FC, autoencoder, CNN and RNN, with linear, ReLU and sigmoid neurons and 1 to 5 hidden layers, on
MNIST; of each kind a few networks that differ in their seed, trained by Adam for a short while.
Writes architectures.csv.gz (one row per network and layer) and a figure. A recurrent layer's own
activation is tanh, or ReLU where that is asked for: there is no linear and no sigmoid one in torch;
what is compared there is the layer after it. Takes five minutes.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from architectures import ACTIVATIONS, ARCHITECTURES, build, example_input
from data import Images, add_arguments, check_folder, load_images
from matplotlib.figure import Figure
from tables import FLOAT_FORMAT, RESULTS
from tqdm import tqdm
from training import Member, evaluate, train_group

import cntgraph as cg

DEPTHS = (1, 2, 3, 4, 5)
N_SEEDS = 3
RECIPE = {
    "init": "variance_scaling",
    "scale": 1.0,
    "optimizer": "adam",
    "epochs": 1,
    "fraction": 0.15,
}

#: What of `analyze` is kept.
COLUMNS = [
    "layer",
    "n_nodes",
    "strength_mean",
    "fluctuation",
    "link_weight_mean",
    "link_weight_std",
]


def measure_kind(arch: str, activation: str, depth: int, images: Images) -> pd.DataFrame:
    """Train the networks of one kind, and return the layers of each."""
    model = build(arch, images.shape, depth=depth, activation=activation)
    members = [Member(index=seed, **RECIPE) for seed in range(N_SEEDS)]
    tables = []
    for member, state in zip(members, train_group(arch, model, members, images), strict=True):
        model.load_state_dict(state)
        net = cg.load(model, example_input=example_input(arch, images.shape))
        accuracy = evaluate(arch, model, images)["accuracy"]
        table = cg.analyze(net).reset_index()[COLUMNS]
        about = {"arch": arch, "activation": activation, "depth": depth, "seed": member.index}
        tables.append(table.assign(**about, accuracy=accuracy, position=np.arange(len(table))))
    return pd.concat(tables, ignore_index=True)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw fluctuation by layer: a row of axes an activation, a column an architecture."""
    from cntgraph.report.plots.style import sequential_map

    figure = Figure(figsize=(10, 6.4), dpi=100, layout="constrained")
    axes = figure.subplots(len(ACTIVATIONS), len(ARCHITECTURES), sharex=True, sharey=True)
    colors = sequential_map()(np.linspace(0, 1, len(DEPTHS)))
    for (row, activation), (column, arch) in product(
        enumerate(ACTIVATIONS), enumerate(ARCHITECTURES)
    ):
        ax = axes[row, column]
        part = table[(table["arch"] == arch) & (table["activation"] == activation)]
        for depth, color in zip(DEPTHS, colors, strict=True):
            mean = part[part["depth"] == depth].groupby("position")["fluctuation"].mean()
            ax.plot(mean.index, mean, "o-", color=color, markersize=3, label=str(depth))
        ax.set_yscale("log")
        ax.spines[["right", "top"]].set_visible(False)
        if row == 0:
            ax.set_title(arch.upper(), size=10)
        if row == len(ACTIVATIONS) - 1:
            ax.set_xlabel("layer, from the input")
        if column == 0:
            ax.set_ylabel(f"{activation}\nfluctuation")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, title="hidden layers", loc="outside right center", frameon=False)
    figure.savefig(path)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load_images(check_folder(parser, options.data, "mnist"), "mnist")
    kinds = list(product(ARCHITECTURES, ACTIVATIONS, DEPTHS))
    table = pd.concat([measure_kind(*kind, images) for kind in tqdm(kinds)], ignore_index=True)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "architectures.csv.gz"
    compression = {"method": "gzip", "mtime": 0}
    table.to_csv(path, index=False, float_format=FLOAT_FORMAT, compression=compression)
    draw(table, options.output / "architectures.png")


if __name__ == "__main__":
    main()
