"""What is known of a zoo's checkpoints: labels, who is held out, and the sets of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import cntgraph as cg
from cntgraph.training.statistics.features import COLUMNS, layer_features

HELD_OUT, SEED = 1 / 3, 11
MOST = 25_000
"""Checkpoints that are measured, at most; whole networks, the first ones."""

MEASURES = {
    "a": "weight statistics", "b": "strength", "c": "fluctuation", "d": "relative fluctuation",
    "e": "spectra",
}  # fmt: skip
SPECTRA = ("hill_alpha", "n_traps")
WORDS = ("activation", "optimizer", "w_init")
LOGARITHMS = ("learning_rate", "init_std", "l2reg")
NUMBERS = ("dropout", "train_fraction")


def read_labels(folder: Path) -> pd.DataFrame:
    """Return the zoo's table, with what is held out and what diverged; indexed by row."""
    labels = pd.read_csv(folder / "metrics.csv.gz")
    labels["held_out"] = labels["network_id"].map(is_held_out)
    weights = np.load(folder / "weights.npy", mmap_mode="r")
    finite = [
        np.isfinite(some).all(1) for some in np.array_split(weights, len(weights) // 4096 + 1)
    ]
    gone = pd.Series(~np.concatenate(finite), labels.index)
    labels["diverged"] = gone.groupby(labels["network_id"]).cummax()
    last = labels.index.to_series().groupby(labels["network_id"]).transform("max")
    return labels[last < MOST]


def is_held_out(network: int) -> bool:
    """Whether a network is of the third that is analyzed once; more networks change nothing."""
    return bool(np.random.default_rng([SEED, network]).random() < HELD_OUT)


def feature_sets(folder: Path, labels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the protocol's sets, each with a row per row of the labels."""
    sets = measured(folder, labels.index) | {"f": hyperparameters(labels)}
    for base in ("f", "a"):
        for name in MEASURES:
            if name != base:
                sets[f"{base} + {name}"] = pd.concat([sets[base], sets[name]], axis=1)
    return sets | {"updates": sets["f"][["log_updates"]]}


def measured(folder: Path, rows: pd.Index) -> dict[str, pd.DataFrame]:
    """Return the sets a to e of some rows of a zoo."""
    zoo = cg.Population.from_cnn_zoo(folder)[: int(rows.max()) + 1]
    spectra = zoo.weight_spectra(show_progress=True)
    blocks = {name: spectra.xs(name, level="block") for name in spectra.index.unique("block")}
    sets = {
        "a": zoo.weight_statistics(),
        "d": zoo.relative_fluctuation().add_suffix("/relative_fluctuation"),
        "e": pd.DataFrame(
            {f"{block}/{name}": own[name] for block, own in blocks.items() for name in SPECTRA}
        ),
    }
    table = zoo.analyze()
    for name, column in (("b", "strength"), ("c", "fluctuation")):
        sets[name] = layer_features(table, COLUMNS[column])
    return {name: sets[name].loc[rows].replace([np.inf, -np.inf], np.nan) for name in MEASURES}


def hyperparameters(labels: pd.DataFrame) -> pd.DataFrame:
    """Return what is drawn for a network, and the logarithm of 1 + updates."""
    config = labels.filter(like="config.").rename(columns=lambda name: name.removeprefix("config."))
    words = pd.get_dummies(config[[*WORDS]], dtype=float)
    logarithms = np.log10(config[[*LOGARITHMS]])
    updates = np.log10(1 + labels["step"]).rename("log_updates")
    return pd.concat([words, logarithms, config[[*NUMBERS]], updates], axis=1)
