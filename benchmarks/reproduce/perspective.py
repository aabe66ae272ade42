"""Do measures of the graph tell a network's architecture, depth and activation?

    python benchmarks/reproduce/perspective.py --data FOLDER [--runs FOLDER] [--output FOLDER]

After La Malfa, La Malfa, Nicosia and Latora, arXiv 2404.11172: fully connected networks,
autoencoders, convolutional and recurrent networks learn MNIST and CIFAR-10, and five measures of
them are compared. Each network's rows are kept in --runs, so that a run that was broken off goes
on. Writes perspective.csv, perspective.png and perspective.md. Takes some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from data import TASKS, add_arguments, check_folder
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from perspective_classifier import TARGETS, predict, sets
from perspective_features import BASELINE, MEASURES, N_IMAGES, features
from perspective_networks import (
    ACTIVATIONS,
    ARCHITECTURES,
    BATCH,
    BOTTLENECK,
    CHANNELS,
    DEPTHS,
    LEARNING_RATE,
    N_EPOCHS,
    N_TRAIN,
    SIZE,
    WIDTH,
    Gray,
    Kind,
    build,
    kinds,
    load,
    quality,
    train,
)

sys.path.insert(0, str(Path(__file__).parent.parent))
from timing import machine, markdown

N_SEEDS = 2
"""Of every kind: with three activations and five depths, thirty networks per architecture."""


def run(kind: Kind, images: Gray) -> list[dict]:
    """Train one network, and measure it before and after."""
    model, rows = build(kind).eval(), []
    for trained in (False, True):
        if trained:
            train(model, kind, images)
        row = asdict(kind) | {"trained": trained, "quality": quality(model, kind, images)}
        rows.append(row | features(model, kind, images))
    return rows


def runs(folder: Path, data: Path) -> pd.DataFrame:
    """Return a row per network before and after training, of those kept and those made now."""
    folder.mkdir(parents=True, exist_ok=True)
    images: dict[str, Gray] = {}
    rows = []
    for kind in kinds(N_SEEDS):
        path = folder / f"{kind.name}.json"
        if not path.exists():
            if kind.dataset not in images:
                images[kind.dataset] = load(data, kind.dataset, folder / "cache")
            made = run(kind, images[kind.dataset])
            path.with_suffix(".part").write_text(json.dumps(made))
            path.with_suffix(".part").replace(path)
            print(kind.name, f"{made[1]['quality']:.3f}", flush=True)
        rows += json.loads(path.read_text())
    return pd.DataFrame(rows)


# -- what is written ----------------------------------------------------------------------------


def accuracies(predictions: pd.DataFrame) -> list[list[str]]:
    """Mean and standard deviation over folds of every set's accuracy, by target."""
    folds = predictions.groupby(["set", "target", "fold"])["told"].mean()
    cells = folds.groupby(["set", "target"]).agg(["mean", "std"])
    rows = []
    for name in sets():
        found = [cells.loc[(name, target)] for target in TARGETS]
        rows.append([name, *(f"{x['mean']:.2f} ± {x['std']:.2f}" for x in found)])
    return rows


def distances(found: dict[str, pd.DataFrame]) -> list[list[str]]:
    """Mean distance of the depth that was said from the true one; always saying three is 1.20."""
    means = []
    for predictions in found.values():
        own = predictions[predictions["target"] == "depth"]
        distance = (own["said"].astype(int) - own["depth"]).abs()
        means.append(distance.groupby(own["set"]).mean())
    return [[name, *(f"{mean[name]:.2f}" for mean in means)] for name in sets()]


def within(predictions: pd.DataFrame, target: str, by: str) -> list[list[str]]:
    """Accuracy for one target within the classes of another."""
    own = predictions[predictions["target"] == target]
    mean = own.groupby(["set", by])["told"].mean()
    levels = ARCHITECTURES if by == "architecture" else ACTIVATIONS
    return [[name, *(f"{mean[name, level]:.2f}" for level in levels)] for name in sets()]


def qualities(table: pd.DataFrame) -> list[list[str]]:
    """Mean over seeds of what the networks are good for, MNIST / CIFAR-10, by depth."""
    trained = table[table["trained"]]
    mean = trained.groupby(["architecture", "activation", "depth", "dataset"])["quality"].mean()
    rows = []
    for kind in product(ARCHITECTURES, ACTIVATIONS):
        pairs = ([f"{mean[*kind, n, task]:.2f}" for task in TASKS] for n in DEPTHS)
        rows.append([*kind, *(" / ".join(pair) for pair in pairs)])
    return rows


SHOWN = {
    "link weights": ("std", "deviation"),
    "nodes strength": ("mean", "mean"),
    "layers fluctuation": ("fluctuation", "deviation"),
    "neurons strength": ("std", "deviation over images"),
    "neurons activation": ("mean", "mean"),
}


def draw(table: pd.DataFrame, predictions: pd.DataFrame, path: Path) -> None:
    """Draw every measure by depth and activation, and below what a forest makes of it."""
    figure = Figure(figsize=(10, 10), dpi=80, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3.4, 1))
    axes = top.subplots(len(ARCHITECTURES), len(SHOWN), sharex=True)
    trained = table[table["trained"]]
    for row, architecture in zip(axes, ARCHITECTURES, strict=True):
        own = trained[trained["architecture"] == architecture]
        for ax, (measure, (statistic, _)) in zip(row, SHOWN.items(), strict=True):
            _by_depth(ax, own, f"{measure}/{statistic}/mean")
        row[0].set_ylabel(architecture.upper())
    for ax, (measure, (_, text)) in zip(axes[0], SHOWN.items(), strict=True):
        ax.set_title(f"{measure}\n{text}", size=8)
    for ax in axes[-1]:
        ax.set_xlabel("hidden layers")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    top.legend(handles, labels, ncols=6, loc="outside upper center", frameon=False, fontsize=8)
    top.supylabel("mean over layers and seeds", size=9)
    _bars(bottom, predictions)
    figure.savefig(path)


def _by_depth(ax: Axes, own: pd.DataFrame, column: str) -> None:
    for k, activation in enumerate(ACTIVATIONS):
        for dataset, style in zip(TASKS, ("-", "--"), strict=True):
            chosen = own[(own["activation"] == activation) & (own["dataset"] == dataset)]
            mean = chosen.groupby("depth")[column].mean()
            label = f"{activation}, {dataset}"
            ax.plot(mean.index, mean, style, color=f"C{k}", marker="o", ms=3, lw=1, label=label)
    ax.spines[["right", "top"]].set_visible(False)
    ax.tick_params(labelsize=7)


def _bars(figure: Figure, predictions: pd.DataFrame) -> None:
    mean = predictions.groupby(["target", "set"])["told"].mean()
    for ax, target in zip(figure.subplots(1, len(TARGETS), sharey=True), TARGETS, strict=True):
        heights = [mean[target, name] for name in sets()]
        colors = ["gray" if name == BASELINE else "C0" for name in sets()]
        ax.barh(range(len(heights)), heights, color=colors)
        ax.axvline(1 / predictions[target].nunique(), color="black", lw=1, ls=":")
        ax.set(title=target, xlim=(0, 1), xlabel="accuracy, and chance")
        ax.set_yticks(range(len(heights)), sets())
        ax.spines[["right", "top"]].set_visible(False)
    ax.invert_yaxis()


def protocol() -> str:
    """Return what was done, with the numbers that are in force."""
    path = Path(__file__).with_name("perspective_protocol.md")
    measures = "\n".join(f"  * *{name}*: {text}." for name, text in MEASURES.items())
    return path.read_text(encoding="utf-8").format(
        n_seeds=N_SEEDS, width=WIDTH, bottleneck=BOTTLENECK, channels=CHANNELS, size=SIZE,
        n_train=N_TRAIN, n_epochs=N_EPOCHS, rate=LEARNING_RATE, batch=BATCH, n_images=N_IMAGES,
        measures=measures,
    )  # fmt: skip


def report(table: pd.DataFrame, found: dict[str, pd.DataFrame], findings: str) -> str:
    """Return the results in Markdown."""
    head, known = ["features", *TARGETS], found["Told, of trained networks"]
    chance = ["chance", *(f"{1 / table[target].nunique():.2f}" for target in TARGETS)]
    parts = [
        "# What measures of the graph tell about a network",
        f"`python benchmarks/reproduce/perspective.py --data FOLDER` on {machine()}.",
        findings,
        protocol(),
        *(markdown(title, head, [chance, *accuracies(x)]) for title, x in found.items()),
        markdown("Distance of the depth said from the true one (1.20 if always three)",
                 ["features", "trained", "kind not seen", "before training"], distances(found)),
        markdown("Depth told, by architecture (chance 0.20)", ["features", *ARCHITECTURES],
                 within(known, "depth", "architecture")),
        markdown("Depth told, by activation (chance 0.20)", ["features", *ACTIVATIONS],
                 within(known, "depth", "activation")),
        markdown("Activation told, by architecture (chance 0.33)", ["features", *ARCHITECTURES],
                 within(known, "activation", "architecture")),
        markdown("What the networks learned, MNIST / CIFAR-10: test accuracy; of AE the share of "
                 "the variance restored",
                 ["architecture", "activation", *(f"depth {n}" for n in DEPTHS)], qualities(table)),
        "![measures by depth and activation, and accuracies](perspective.png)",
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts)


def main() -> None:
    """Train what is missing, and write the results."""
    here = Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--runs", type=Path, default=Path("perspective-runs"))
    parser.add_argument("--output", type=Path, default=here.parents[1] / "results")
    arguments = parser.parse_args()
    for task in TASKS:
        data = check_folder(parser, arguments.data, task)
    torch.set_num_threads(1)
    table = runs(arguments.runs, data)
    trained, untrained = table[table["trained"]], table[~table["trained"]]
    found = {
        "Told, of trained networks": predict(trained),
        "Told, of trained networks of a kind that the forest has not seen": predict(
            trained, unseen=True
        ),
        "Told, of the same networks before training": predict(untrained),
    }
    kept = trained.drop(columns="trained")
    kept.to_csv(arguments.output / "perspective.csv", index=False, float_format="%.4g")
    draw(table, found["Told, of trained networks"], arguments.output / "perspective.png")
    findings = (here.parent / "perspective_findings.md").read_text(encoding="utf-8").strip()
    text = report(table, found, findings)
    (arguments.output / "perspective.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
