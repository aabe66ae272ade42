"""Does the period of activations tell networks that recognize chaos from those that do not?

    python benchmarks/reproduce/chaos.py [--runs FOLDER] [--output FOLDER]

Thirty convolutional networks with large kernels learn to tell regular from chaotic sequences of the
logistic map, and are judged on the sine-circle map, which they have never seen, as in Corbetta and
de Jong, arXiv 2306.02300. Each network's row is kept in --runs, so that a run that was broken off
goes on. Writes chaos.csv, chaos.png and chaos.md. Takes some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

import cntgraph as cg

sys.path.insert(0, str(Path(__file__).parent.parent))
from timing import machine, markdown

Values = NDArray[np.float64]
Map = Callable[[Values, Values], tuple[Values, Values]]

N_NETWORKS, N_STEPS, N_TRAIN, N_TEST, N_EPOCHS, BATCH = 30, 500, 1000, 400, 12, 50
KERNEL, CHANNELS, LEARNING_RATE = 100, 5, 1e-3
N_TRANSIENT, N_LYAPUNOV = 500, 4000
CHAOTIC = 0.01
"""The least Lyapunov exponent of what is called chaotic; quasi-periodic motion has none but 0."""

SAME = 0.05
"""Two periods are the same if they differ by no more than this share."""


def logistic(x: Values, mu: Values) -> tuple[Values, Values]:
    """x → μ x (1 − x), and the logarithm of its derivative."""
    return mu * x * (1 - x), np.log(np.abs(mu * (1 - 2 * x)) + 1e-300)


def circle(x: Values, mu: Values) -> tuple[Values, Values]:
    """x → x + Ω − μ / 2π sin 2πx, modulo 1, and the logarithm of its derivative."""
    slope = np.log(np.abs(1 - mu * np.cos(2 * np.pi * x)) + 1e-300)
    return (x + 0.606661 - mu / (2 * np.pi) * np.sin(2 * np.pi * x)) % 1, slope


MAPS: dict[str, tuple[Map, float, float]] = {
    "logistic": (logistic, 3.4, 4.0),
    "circle": (circle, 0.0, 5.0),
}


def sequences(name: str, n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return n sequences (n, 1, steps), half of them chaotic, and which are."""
    rng, (step, low, high) = np.random.default_rng(seed), MAPS[name]
    mu, x = rng.uniform(low, high, 4 * n), rng.uniform(0.1, 0.9, 4 * n)
    for _ in range(N_TRANSIENT):
        x, _ = step(x, mu)
    kept, exponent = np.empty((N_STEPS, 4 * n)), np.zeros(4 * n)
    for k in range(N_LYAPUNOV):
        if k < N_STEPS:
            kept[k] = x
        x, slope = step(x, mu)
        exponent += slope / N_LYAPUNOV
    chaotic = exponent > CHAOTIC
    chosen = np.concatenate([np.flatnonzero(chaotic == kind)[: n // 2] for kind in (False, True)])
    chosen = rng.permutation(chosen)
    assert len(chosen) == n
    return kept.T[chosen, None].astype(np.float32), chaotic[chosen].astype(np.int64)


def network(seed: int) -> nn.Sequential:
    """Two convolutions with large kernels, a pooling, and a linear layer."""
    torch.manual_seed(seed)
    left = (N_STEPS - 2 * (KERNEL - 1)) // 2
    return nn.Sequential(
        nn.Conv1d(1, CHANNELS, KERNEL), nn.ReLU(), nn.Conv1d(CHANNELS, CHANNELS, KERNEL), nn.ReLU(),
        nn.MaxPool1d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(CHANNELS * left, 2),
    )  # fmt: skip


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for _ in range(N_EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()


def accuracy(model: nn.Module, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    with torch.no_grad():
        return float((model(torch.from_numpy(x)).argmax(1).numpy() == y).mean())


def periods(model: nn.Module, x: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, float]:
    """How the periods of activations relate to those of the sine-circle map's sequences."""
    table = cg.activation_period(model, x, layers=["0", "2"])
    chaotic = y[table.index.get_level_values("sample")] == 1
    ratio = table["ratio_autocorrelation"]
    found: dict[str, float] = {}
    for layer, name in (("0", "first"), ("2", "second")):
        own = table.index.get_level_values("layer") == layer
        alive = own & table["period_fft"].notna()
        rhythm = own & ~chaotic & table["input_autocorrelation"].notna()
        repeats = table["period_autocorrelation"].notna()
        found |= {
            f"{name}_constant": 1 - alive.sum() / own.sum(),
            f"{name}_same": float(((ratio - 1).abs() < SAME)[rhythm & alive].mean()),
            f"{name}_regular_repeats": float(repeats[alive & ~chaotic].mean()),
            f"{name}_chaotic_repeats": float(repeats[alive & chaotic].mean()),
        }
    return found


def run(seed: int, data: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]) -> list[dict]:
    """Train one network, and describe it before and after."""
    model, rows = network(seed).eval(), []
    for trained in (False, True):
        if trained:
            train(model, *map(torch.from_numpy, data["train"]))
        row = {"seed": seed, "trained": trained}
        row |= {name: accuracy(model, *data[name]) for name in MAPS}
        rows.append(row | periods(model, *data["circle"]))
    return rows


def runs(folder: Path) -> pd.DataFrame:
    """Return a row per network before and after training, of those kept and those made now."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"train": sequences("logistic", N_TRAIN, 0)}
    data |= {name: sequences(name, N_TEST, 1 + k) for k, name in enumerate(MAPS)}
    rows = []
    for seed in range(N_NETWORKS):
        path = folder / f"{seed}.json"
        if not path.exists():
            text = json.dumps(run(seed, data))
            path.with_suffix(".part").write_text(text)
            path.with_suffix(".part").replace(path)
            print(seed, text, flush=True)
        rows += json.loads(path.read_text())
    return pd.DataFrame(rows)


# -- what is written ----------------------------------------------------------------------------

MEASURES = {
    "same": "activations of regular sequences with the period of the input",
    "regular_repeats": "activations of regular sequences that repeat",
    "chaotic_repeats": "activations of chaotic sequences that repeat",
    "constant": "activations that are constant",
}


def groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The networks before training, and the worse and the better third after it."""
    trained = table[table["trained"]].sort_values("circle", kind="stable")
    third = len(trained) // 3
    return {
        "untrained": table[~table["trained"]],
        "poor third": trained[:third],
        "good third": trained[-third:],
    }


def comparison(table: pd.DataFrame) -> list[list[str]]:
    """Mean and standard deviation of every measure in each group, and its rank correlation."""
    trained, rows = table[table["trained"]], []
    for layer in ("first", "second"):
        for measure, text in MEASURES.items():
            column = f"{layer}_{measure}"
            cells = [
                f"{group[column].mean():.2f} ± {group[column].std():.2f}"
                for group in groups(table).values()
            ]
            rank, p = spearmanr(trained[column], trained["circle"], nan_policy="omit")
            rows.append([layer, text, *cells, f"{rank:.2f} (p = {p:.2g})"])
    return rows


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw accuracies, and the share of equal periods against them."""
    figure = Figure(figsize=(10, 3.2), dpi=100, layout="constrained")
    left, *right = figure.subplots(1, 3)
    trained, untrained = table[table["trained"]], table[~table["trained"]]
    edges = np.linspace(0.3, 1, 29)
    for name in MAPS:
        left.hist(trained[name], edges, alpha=0.6, label=f"{name} map")
    left.set(xlabel="accuracy after training", ylabel="networks")
    left.legend(frameon=False, fontsize=8)
    for ax, measure in zip(right, ("same", "chaotic_repeats"), strict=True):
        for part, label in ((untrained, "untrained"), (trained, "trained")):
            ax.scatter(part["circle"], part[f"second_{measure}"], s=16, alpha=0.7, label=label)
        ax.set(xlabel="accuracy on the circle map", ylabel="share, second layer")
        ax.set_title(MEASURES[measure].replace(" sequences", "\nsequences"), size=9)
    right[0].legend(frameon=False, fontsize=8)
    for ax in (left, *right):
        ax.spines[["right", "top"]].set_visible(False)
    figure.savefig(path)


def report(table: pd.DataFrame, findings: str) -> str:
    heads = ["layer", "share of", *groups(table), "rank correlation with accuracy"]
    trained = table[table["trained"]]
    levels = [
        [name, f"{trained[name].mean():.3f}", f"{trained[name].min():.3f}",
         f"{trained[name].median():.3f}", f"{trained[name].max():.3f}"]
        for name in MAPS
    ]  # fmt: skip
    counts = [f"{name}: {group['circle'].mean():.2f}" for name, group in groups(table).items()]
    return "\n\n".join(
        [
            "# Periods of activations in networks that tell chaos from regular motion",
            f"`python benchmarks/reproduce/chaos.py` on {machine()}. {N_NETWORKS} networks, "
            f"{N_TRAIN} sequences of {N_STEPS} steps, {N_EPOCHS} epochs each.",
            findings,
            markdown("Accuracy", ["map", "mean", "least", "median", "largest"], levels).strip(),
            "Mean accuracy on the circle map – " + ", ".join(counts) + ".",
            markdown("Periods, on sequences of the circle map", heads, comparison(table)).strip(),
            "![accuracies and periods](chaos.png)",
        ]
    )


def main() -> None:
    here = Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("chaos-runs"))
    parser.add_argument("--output", type=Path, default=here.parents[1] / "results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = runs(arguments.runs)
    table.to_csv(arguments.output / "chaos.csv", index=False, float_format="%.4g")
    draw(table, arguments.output / "chaos.png")
    findings = (here.parent / "chaos_findings.md").read_text(encoding="utf-8").strip()
    text = report(table, findings)
    (arguments.output / "chaos.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
