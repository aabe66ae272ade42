"""Analyze a zoo as zoo_protocol.md says.

    python benchmarks/reproduce/zoo_analysis.py FOLDER --out OUT [--final]

FOLDER is what `zoo.py` writes for one task. Without ``--final``, networks that are not held out
are predicted from each other, to find faults of this code: OUT/zoo_TASK_development, and a page of
that name. With it, the held-out ones are predicted from them, with verdicts: OUT/zoo_TASK, which is
written once.
Most of the time goes into fitting trees: of development five times as often.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm
from zoo_features import MEASURES, feature_sets, read_labels
from zoo_scores import THRESHOLDS, Bootstrap, holm, interval, p_value, predict
from zoo_verdicts import EVERY, GRAPH, LAST, LEAST_GAIN, LEVEL, is_tested, verdicts

sys.path.insert(0, str(Path(__file__).parent.parent))
from timing import machine, markdown

GZIP = {"method": "gzip", "mtime": 0}
"""The same bytes for the same table."""

COMMANDS = """```sh
python benchmarks/reproduce/zoo.py --data FOLDER --out ZOO
python benchmarks/reproduce/zoo_analysis.py ZOO/TASK --out benchmarks/results --final
```"""

ABOUT = (
    ", ".join(f"{k}: {v}" for k, v in MEASURES.items())
    + ", f: hyperparameters; 95 % intervals. Everything is as "
    "`benchmarks/reproduce/zoo_protocol.md` says, which is older than the first result; what no "
    "network of a stratum has (a deviation of initializers that have none) is left out there. The "
    "measures of all networks at the last checkpoint are in `measures.csv.gz`, beside the picture."
)

LEAST_FITTED, LEAST_TESTED = 60, 30
BOUNDS = (0.01, 0.1)
"""Between the classes of initial deviations."""

CONTROL = "checkpoint 0, accuracy at the last"


class Stratum(NamedTuple):
    """Checkpoints that are fitted and tested on their own, and what is told of them."""

    name: str
    target: pd.Series


def strata(labels: pd.DataFrame) -> Iterator[Stratum]:
    """Yield the strata that are large enough."""
    kept = labels[~labels["diverged"]]
    step, accuracy = kept["step"], kept["test_accuracy"]
    last = step == int(LAST)
    found = {EVERY: accuracy[step > 0]}
    found |= {str(k): accuracy[step == k] for k in sorted(set(step) - {0})}
    found |= {f"initializer {name}": accuracy[last & (cells_of(kept) == name)]
              for name in sorted(set(cells_of(kept)))}  # fmt: skip
    ends = kept[last].set_index("network_id")["test_accuracy"]
    found[CONTROL] = kept.loc[step == 0, "network_id"].map(ends).dropna()
    for name, target in found.items():
        if is_large(labels["held_out"].loc[target.index]):
            yield Stratum(name, target)


def is_large(held_out: pd.Series) -> bool:
    """Whether there is enough to fit, and, where held-out ones are there, to test."""
    n = int(held_out.sum())
    return len(held_out) - n >= LEAST_FITTED and (n == 0 or n >= LEAST_TESTED)


def cells_of(labels: pd.DataFrame) -> pd.Series:
    """Return each checkpoint's initializer, with the class of its deviation where it has one."""
    deviation = labels["config.init_std"]
    classes = np.digitize(deviation, BOUNDS)
    names = [f"below {BOUNDS[0]}", f"{BOUNDS[0]} to {BOUNDS[1]}", f"above {BOUNDS[1]}"]
    words = pd.Series([f", {names[k]}" for k in np.minimum(classes, 2)], labels.index)
    return labels["config.w_init"] + words.where(deviation.notna(), "")


# -- what is found ---------------------------------------------------------------------------------


def compared(every: bool) -> list[tuple[str, str]]:
    """Return which sets' R² are subtracted from each other."""
    pairs = [(f"f + {x}", "f") for x in MEASURES] + [(f"a + {x}", "a") for x in GRAPH]
    return pairs + [("a", x) for x in GRAPH] + [(x, "updates") for x in MEASURES if every]


def evaluated(
    labels: pd.DataFrame, sets: Mapping[str, pd.DataFrame], *, final: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every stratum and set, and the gains of sets over others."""
    scores, gains = [], []
    thresholds = THRESHOLDS[labels["config.dataset"].iloc[0]]
    for name, target in tqdm([*strata(labels)], desc="strata"):
        own = labels.loc[target.index]
        chosen = {key: table for key, table in sets.items() if key != "updates" or name == EVERY}
        found = predict(chosen, target, own["network_id"], own["held_out"], final=final)
        draws = Bootstrap(found)
        r2 = {key: draws.r2(key) for key in chosen}
        for key in chosen:
            row = {"stratum": name, "set": key, "n": len(found.true),
                   "n_networks": len(set(found.networks))}  # fmt: skip
            row |= interval("r2", r2[key]) | interval("kendall", draws.kendall(key))
            scores.append(row | interval("auc", draws.auc(key, thresholds)))
        for key, over in compared(name == EVERY):
            gain = r2[key] - r2[over]
            row = {"stratum": name, "set": key, "over": over}
            row["r2_low"] = interval("r2", r2[key])["r2_low"]
            gains.append(row | interval("gain", gain) | {"p": p_value(gain)})
    return pd.DataFrame(scores), with_tests(pd.DataFrame(gains))


def with_tests(gains: pd.DataFrame) -> pd.DataFrame:
    """Add what Holm's method makes of the tests, and which gains count; p of no others."""
    tested = gains.apply(is_tested, axis=1)
    gains["p"] = gains["p"].where(tested)
    gains["p_holm"] = np.nan
    gains.loc[tested, "p_holm"] = holm(gains.loc[tested, "p"].to_numpy())
    # A gain over what is worse than the mean may still be worse than the mean.
    enough = (gains["gain"] >= LEAST_GAIN) & (gains["r2_low"] > 0)
    gains["counts"] = (gains["p_holm"] < LEVEL) & enough
    return gains


def overview(labels: pd.DataFrame) -> pd.DataFrame:
    """Return, by checkpoint, how many networks there are, and how accurate they are."""
    above, below = THRESHOLDS[labels["config.dataset"].iloc[0]]
    rows = []
    for step, own in labels.groupby("step"):
        accuracy = own.loc[~own["diverged"], "test_accuracy"]
        rows.append({
            "updates": step, "networks": len(own), "held out": int(own["held_out"].sum()),
            "diverged": int(own["diverged"].sum()),
            "test accuracy: least": accuracy.min(), "quartile": accuracy.quantile(0.25),
            "median": accuracy.median(), "upper quartile": accuracy.quantile(0.75),
            "largest": accuracy.max(), f"accurate (> {above})": int((accuracy > above).sum()),
            f"poor (< {below})": int((accuracy < below).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def divergence(labels: pd.DataFrame) -> pd.DataFrame:
    """Return how many checkpoints diverged, by optimizer and initializer."""
    keys = ["config.optimizer", "config.w_init"]
    return labels.groupby(keys)["diverged"].agg(checkpoints="size", diverged="sum").reset_index()


def measures_at_the_end(labels: pd.DataFrame, sets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return labels and measures of the last checkpoints that did not diverge."""
    rows = labels.index[(labels["step"] == int(LAST)) & ~labels["diverged"]]
    return pd.concat([labels.loc[rows], *(sets[name].loc[rows] for name in MEASURES)], axis=1)


# -- what is written -------------------------------------------------------------------------------


def cells(table: pd.DataFrame, name: str, column: str) -> list[list[str]]:
    """Return rows of a score with its interval: a row per stratum, a column per value."""
    rows = []
    for stratum, own in table.groupby("stratum", sort=False):
        own = own.set_index(column)
        texts = [stratum]
        for key in table[column].unique():
            value = own.loc[key] if key in own.index else None
            shown = value is not None and np.isfinite(value[name])
            texts.append(f"{value[name]:.2f} ({value[f'{name}_low']:.2f} to "
                         f"{value[f'{name}_high']:.2f})" if shown else "")  # fmt: skip
        rows.append(texts)
    return rows


def report(found: Mapping[str, pd.DataFrame], title: str, picture: str) -> str:
    """Return all tables in Markdown."""
    scores, gains = found["scores"], found["gains"]
    sets = [*scores["set"].unique()]
    parts = [f"# {title}", COMMANDS, f"On {machine()}. {ABOUT}"]
    if "verdicts" in found:
        rows = [[str(x) for x in row] for row in found["verdicts"].itertuples()]
        parts.append(markdown("Verdicts", ["claim", *found["verdicts"].columns], rows))
    parts.append(f"![R² of each set, by stratum]({picture})")
    for name, text in (("r2", "R²"), ("kendall", "Kendall's τ"), ("auc", "AUC")):
        parts.append(markdown(text, ["stratum", *sets], cells(scores, name, "set")))
    named = gains.assign(pair=gains["set"] + " − " + gains["over"])
    head = ["stratum", *named["pair"].unique()]
    parts.append(markdown("Gains in R²", head, cells(named, "gain", "pair")))
    tested = gains.dropna(subset="p")[["stratum", "set", "over", "gain", "p", "p_holm", "counts"]]
    for text, table in (("Tests", tested), ("Networks", found["overview"]),
                        ("Diverged checkpoints", found["diverged"])):  # fmt: skip
        rows = [[f"{x:.3g}" if isinstance(x, float) else str(x) for x in row]
                for row in table.itertuples(index=False)]  # fmt: skip
        parts.append(markdown(text, [*table.columns], rows))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def draw(scores: pd.DataFrame, path: Path) -> None:
    """Draw R² of each set alone, a panel per stratum."""
    names, sets = [*scores["stratum"].unique()], MEASURES | {"f": "hyperparameters"}
    n_rows = -(-len(names) // 4)
    figure = Figure(figsize=(10, 1.7 * n_rows + 0.3), dpi=80, layout="constrained")
    axes = figure.subplots(n_rows, 4, sharex=True, sharey=True, squeeze=False).reshape(-1)
    for ax, name in zip(axes, names, strict=False):  # the last row may have more
        own = scores[scores["stratum"] == name].set_index("set").loc[[*sets]]
        errors = np.abs(own[["r2_low", "r2_high"]].to_numpy().T - own["r2"].to_numpy())
        ax.errorbar(own["r2"], range(len(own)), xerr=errors, fmt="o", ms=3, lw=1)
        title = f"{name} updates" if name.isdecimal() else name.removeprefix("initializer ")
        ax.set_title(title, size=8)
    axes[0].set_yticks(range(len(sets)), [f"{what} ({key})" for key, what in sets.items()], size=8)
    axes[0].set(xlim=(-0.2, 1.02))
    axes[0].invert_yaxis()
    for ax in axes[max(len(names) - 4, 0) : len(names)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("R²")
    for ax in axes[len(names) :]:
        ax.remove()
    figure.savefig(path)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of one task, as zoo.py writes it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--final", action="store_true", help="predict held-out networks, once")
    options = parser.parse_args()
    labels = read_labels(options.folder)
    task = labels["config.dataset"].iloc[0]
    name = f"zoo_{task}" if options.final else f"zoo_{task}_development"
    out: Path = options.out / name
    if options.final and out.exists():
        parser.error(f"{out} is there: held-out networks are analyzed once")
    if not options.final:
        labels = labels[~labels["held_out"]]
    sets = feature_sets(options.folder, labels[~labels["diverged"]])
    scores, gains = evaluated(labels, sets, final=options.final)
    found = {"scores": scores, "gains": gains, "overview": overview(labels),
             "diverged": divergence(labels)}  # fmt: skip
    if options.final:
        found["verdicts"] = verdicts(scores, gains)
    out.mkdir(parents=True, exist_ok=True)
    measures = measures_at_the_end(labels, sets)
    measures.to_csv(out / "measures.csv.gz", index=False, float_format="%.4g", compression=GZIP)
    for key, table in found.items():
        table.to_csv(out / f"{key}.csv", index=key == "verdicts", float_format="%.5g")
    draw(scores, out / "r2.png")
    title = f"Does the graph tell accuracy in a zoo of small CNNs? {task.upper()}"
    text = report(found, title, f"{name}/r2.png")
    (options.out / f"{name}.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
