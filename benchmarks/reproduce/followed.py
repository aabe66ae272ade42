"""The report's parts on single networks and on architectures, from the tables of those scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))
from timing import markdown


def single_text(folder: Path) -> str:
    """Return how far strengths and link weights of single networks moved, by layer."""
    path = folder / "single_divergence.csv.gz"
    if not path.is_file():
        return ""
    moved = pd.read_csv(path)
    layers = pd.read_csv(folder / "single_layers.csv.gz")
    last = moved.drop_duplicates(["run", "layer", "measure"], keep="last")
    rows = []
    for (run, layer), part in last.groupby(["run", "layer"], sort=False):
        values = part.set_index("measure")
        course = layers[(layers["run"] == run) & (layers["layer"] == layer)]["fluctuation"]
        row = [str(run), str(layer), f"{course.iloc[0]:.2f} → {course.iloc[-1]:.2f}"]
        for kind in ("jeffreys", "kolmogorov_smirnov"):
            for measure in ("link_weights", "strength"):
                known = measure in values.index
                row.append(f"{values.loc[measure, kind]:.2f}" if known else "")
        rows.append(row)
    header = ["network", "layer", "fluctuation", "Jeffreys: link weights", "Jeffreys: strength"]
    header += ["KS: link weights", "KS: strength"]
    table = markdown("Single networks, from the start to their best accuracy", header, rows)
    pictures = [
        "![fluctuation and strength over training](reproduction/single.png)",
        "![how far distributions moved](reproduction/single_divergence.png)",
    ]
    return "\n\n".join([table.rstrip("\n"), *pictures]) + "\n"


def architectures_text(folder: Path) -> str:
    """Return accuracy and fluctuation of hidden layers by architecture, activation and depth."""
    path = folder / "architectures.csv.gz"
    if not path.is_file():
        return ""
    table = pd.read_csv(path)
    ends = table.groupby(["arch", "activation", "depth", "seed"])["position"].transform("max")
    hidden = table[(table["position"] > 0) & (table["position"] < ends)]
    kinds = ["arch", "activation"]
    accuracy = table.groupby([*kinds, "depth"], sort=False)["accuracy"].mean()
    fluctuation = hidden.groupby([*kinds, "depth"], sort=False)["fluctuation"].mean()
    rows = []
    for (arch, activation), _ in table.groupby(kinds, sort=False):
        cells = [
            f"{accuracy[arch, activation, depth]:.2f} / {fluctuation[arch, activation, depth]:.2f}"
            for depth in sorted(table["depth"].unique())
        ]
        rows.append([str(arch).upper(), str(activation), *cells])
    header = ["architecture", "activation", *(f"{d} hidden" for d in sorted(set(table["depth"])))]
    title = "Architectures, activations and depths: accuracy / fluctuation of hidden layers"
    picture = "![fluctuation by layer](reproduction/architectures.png)"
    return markdown(title, header, rows) + "\n" + picture + "\n"
