"""Write benchmarks/results/reproduction.md from the tables of the populations.

    python benchmarks/reproduce/report.py [--runs FOLDER]

Without --runs it reads the tables that are committed; with it, it first makes them anew from what
`populations.py` wrote to FOLDER. What the tables mean was written by hand, in findings.md. Takes
two minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from controls import Contest, summary
from features import FAMILIES, MEASURES, columns_of, feature_sets, wide, with_iid
from figures import draw_histograms, draw_prediction, draw_scatter, draw_separation
from followed import architectures_text, single_text
from populations import read_rows
from tables import RESULTS, Tables

from cntgraph.training.statistics.prediction import predict_accuracy
from cntgraph.training.statistics.separation import separation

sys.path.insert(0, str(Path(__file__).parent.parent))
from timing import machine, markdown

# Trees this small are grown faster by one thread; it is read when the first is grown.
os.environ.setdefault("OMP_NUM_THREADS", "1")

POPULATIONS = ("mnist_fc", "mnist_cnn", "cifar10_cnn", "mnist_ae", "mnist_rnn")
MAIN = POPULATIONS[:3]

#: Accurate above the one, poor below the other: the papers' where enough networks reach them, else
#: chosen from the histogram of accuracies alone.
BOUNDS = {
    "mnist_fc": (0.8, 0.3),
    "mnist_cnn": (0.8, 0.3),
    "cifar10_cnn": (0.25, 0.15),
    "mnist_ae": (-0.1, -2.0),
    "mnist_rnn": (0.3, 0.15),
}

#: Networks that are compared have the same value of these.
STRATA = {
    "all networks": [],
    "same initializer and scale": ["init", "scale"],
    "and same optimizer": ["init", "scale", "optimizer"],
}

#: The column of the number of updates, among those of layers and measures.
UPDATES = ("network", "updates")


def load(runs: Path | None) -> dict[str, Tables]:
    """Return the populations there are; with `runs`, write their tables first."""
    found = {}
    for name in POPULATIONS:
        rows = [] if runs is None else list(read_rows(runs / f"{name}.jsonl"))
        if rows:
            Tables.of(rows).write(RESULTS, name)
        if (RESULTS / f"{name}_networks.csv.gz").is_file():
            found[name] = Tables.read(RESULTS, name)
    return found


def overview(populations: dict[str, Tables]) -> str:
    """Return how many networks there are, and how accurate."""
    rows = []
    for name, tables in populations.items():
        table, (above, below) = tables.networks, BOUNDS[name]
        kept, n_diverged = tables.without_diverged()
        accuracy = kept.networks["accuracy"]
        quartiles = ", ".join(f"{q:.2f}" for q in accuracy.quantile([0, 0.25, 0.5, 0.75, 1]))
        above_text = f"{(accuracy > above).sum()} (> {above:g})"
        below_text = f"{(accuracy < below).sum()} (< {below:g})"
        counts = [str(len(table)), str(n_diverged), above_text, below_text]
        seconds = f"{table['seconds'].mean():.1f}"
        rows.append([name.replace("_", " "), *counts, quartiles, seconds])
    header = ["population", "networks", "diverged", "accurate", "poor"]
    header += ["accuracy: least, quartiles, most", "s a network"]
    return markdown("The populations", header, rows)


def separation_text(name: str, table: pd.DataFrame, within: pd.DataFrame) -> str:
    """Return AUCs of the families per layer: of all networks, and of those initialized alike."""
    rows = []
    for layer, part in table.groupby("layer", sort=False):
        row = [str(layer)]
        for measures in FAMILIES.values():
            some = part[part["measure"].isin(measures)]
            row.append(_auc_text(some, named=len(measures) > 1))
        fluctuation = part[part["measure"] == "fluctuation"].iloc[0]
        row += [f"{fluctuation['cliffs_delta']:+.2f}", f"{fluctuation['p_adjusted']:.3f}"]
        same = within[within["layer"] == layer]
        for family in ("link weights", "fluctuation"):
            some = same[same["measure"].isin(FAMILIES[family])]
            row.append(_auc_text(some, named=len(FAMILIES[family]) > 1))
        rows.append(row)
    above, below = BOUNDS[name]
    header = ["layer", "best link-weight statistic", "best strength", "fluctuation"]
    header += ["fluctuation over i.i.d.", "fluctuation: Cliff's δ", "adjusted p"]
    header += ["like initialized: best link-weight statistic", "like initialized: fluctuation"]
    title = f"{name.replace('_', ' ')}: AUC, accuracy above {above:g} against below {below:g}"
    return markdown(title, header, rows)


def _auc_text(table: pd.DataFrame, *, named: bool) -> str:
    table = table[table["auc"].notna()]
    if not len(table):
        return ""
    best = table.loc[(table["auc"] - 0.5).abs().idxmax()]
    text = f"{best['auc']:.2f} [{best['auc_low']:.2f}, {best['auc_high']:.2f}]"
    return f"{text} {best['measure'].removeprefix('link_weight_')}" if named else text


def contest(name: str, tables: Tables, by: list[str]) -> Contest:
    """Set accurate and poor networks against each other, within the same values of `by`."""
    networks = tables.networks.set_index("network").sort_index()
    measured = wide(tables.layers)
    measured[UPDATES] = networks["updates"]
    cells = networks[by].astype(str).agg(" ".join, axis=1) if by else networks["scale"] * 0
    return Contest.of(measured, networks["accuracy"], *BOUNDS[name], cells)


def control_text(name: str, tables: Tables) -> str:
    """Return held-out AUCs of the families, all networks compared and within strata."""
    rows = []
    for stratum, by in STRATA.items():
        found = contest(name, tables, by)
        if not found.has_pairs():
            continue
        families = {family: columns_of(found.table, family) for family in FAMILIES}
        families = {family: columns for family, columns in families.items() if columns}
        families["number of updates"] = [UPDATES]
        repeats = found.held_out(families)
        ahead = repeats["fluctuation"] - repeats["link weights"]
        low, high = ahead.quantile([0.025, 0.975])
        row = [f"{r.auc:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in summary(repeats).itertuples()]
        rows.append([stratum, *row, f"{ahead.mean():+.2f} [{low:+.2f}, {high:+.2f}]"])
    header = ["compared", *repeats.columns, "fluctuation − link weights"]
    title = f"{name.replace('_', ' ')}: AUC of the best measure, chosen on the other half"
    return markdown(title, header, rows)


def predict(tables: Tables) -> pd.DataFrame:
    """Return how well each feature set predicts accuracy, by trees and by a linear model."""
    networks, sets = tables.networks.set_index("network"), feature_sets(tables)
    options = {"features": sets, "n_repeats": 2}
    found = predict_accuracy(networks, **options, model="gradient_boosting")
    ridge = predict_accuracy(networks, **options, model="ridge")
    return found.join(ridge[["r2", "kendall"]].add_suffix("_ridge"))


def prediction_text(name: str, table: pd.DataFrame) -> str:
    """Return how well accuracy is predicted from each feature set."""
    rows = [
        [str(r.Index), f"{r.n_features}", f"{r.r2:.2f} ± {r.r2_std:.2f}",
         f"{r.kendall:.2f} ± {r.kendall_std:.2f}", f"{r.r2_ridge:.2f}", f"{r.kendall_ridge:.2f}"]
        for r in table.itertuples()
    ]  # fmt: skip
    title = f"{name.replace('_', ' ')}: accuracy predicted, cross-validated"
    header = ["features", "number", "R², boosted trees", "Kendall's τ", "R², ridge", "τ, ridge"]
    return markdown(title, header, rows)


def head(populations: dict[str, Tables]) -> str:
    """Return how this was made."""
    packages = ("torch", "weightwatcher", "scikit-learn", "numpy", "scipy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    hours = sum(float(t.networks["seconds"].sum()) for t in populations.values()) / 3600
    trainings = [
        f"python benchmarks/reproduce/populations.py --data FOLDER --task {name.split('_')[0]} "
        f"--arch {name.split('_')[1]} --n {len(tables.networks)} --out reproduction"
        for name, tables in populations.items()
    ]
    commands = [
        "pip install -e '.[torch,sklearn]' -r benchmarks/reproduce/requirements.txt",
        *trainings,
        "python benchmarks/reproduce/single.py --data FOLDER",
        "python benchmarks/reproduce/architectures_compare.py --data FOLDER",
        "python benchmarks/reproduce/report.py --runs reproduction",
    ]
    return "\n".join(
        ["# What separates accurate from poor networks: the published finding, reproduced", "",
         "```sh", *commands, "```", "",
         f"On {machine()}, shared with other work; {versions}. "
         f"Training and measuring took {hours:.1f} hours of one process. The report alone needs "
         "no data: `python benchmarks/reproduce/report.py`.", ""]
    )  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, help="folder that populations.py wrote to")
    options = parser.parse_args()
    populations = load(options.runs)
    clean = {}
    for name, tables in populations.items():
        kept = tables.without_diverged()[0]
        clean[name] = replace(kept, layers=with_iid(kept.layers))
    separations, within, predictions = {}, {}, {}
    for name, tables in clean.items():
        above, below = BOUNDS[name]
        layers = tables.labeled_layers()
        separations[name] = separation(layers, list(MEASURES), above=above, below=below)
        within[name] = contest(name, tables, ["init", "scale"]).table_of_auc()
        predictions[name] = predict(tables)
        separations[name].round(5).to_csv(RESULTS / f"{name}_separation.csv", index=False)
        print(f"{name}: analyzed")
    main_ones = [name for name in MAIN if name in clean]
    draw_histograms(populations, BOUNDS, RESULTS / "accuracy.png")
    draw_separation({n: separations[n] for n in main_ones}, RESULTS / "separation.png")
    draw_prediction({n: predictions[n] for n in main_ones}, RESULTS / "prediction.png")
    draw_scatter({n: clean[n] for n in main_ones}, RESULTS / "scatter.png")
    parts = [head(populations), (Path(__file__).parent / "findings.md").read_text()]
    parts += [overview(populations), _figure("accuracy", "how accurate the networks are")]
    parts += [separation_text(name, separations[name], within[name]) for name in clean]
    parts += [_figure("separation", "AUC by layer"), _figure("scatter", "accuracy and fluctuation")]
    parts += [control_text(name, tables) for name, tables in clean.items()]
    parts += [prediction_text(name, table) for name, table in predictions.items()]
    parts += [_figure("prediction", "prediction of accuracy")]
    parts += [single_text(RESULTS), architectures_text(RESULTS)]
    (RESULTS.parent / "reproduction.md").write_text("\n".join(parts))


def _figure(name: str, text: str) -> str:
    return f"![{text}](reproduction/{name}.png)\n"


if __name__ == "__main__":
    main()
