"""The demo: a training and a population of real networks, measured without a framework."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph import tables
from cntgraph.data.demo import demo_file
from cntgraph.training.statistics.separation import auc, separation_auc
from cntgraph.training.trajectory import open as open_file

if TYPE_CHECKING:
    import pandas as pd

#: What the demo compares: strengths and fluctuation on one side, link weights on the other.
MEASURES = ("fluctuation", "strength_mean", "link_weight_std", "link_weight_mean")
ABOVE, BELOW = 0.8, 0.4


def run_demo(figure: Path, *, overwrite: bool = False) -> None:
    """Print what the bundled networks show, and save a figure.

    Parameters
    ----------
    figure : Path
        Where the figure is saved; the suffix says in which format.
    overwrite : bool, default False
        Whether a file of that name is replaced.

    Raises
    ------
    CntGraphError
        If the figure cannot be written.
    """
    with open_file(demo_file("training")) as trajectory:
        training = trajectory.analyze()
    title = "A small CNN learns scikit-learn's digits: fluctuation of each layer over training"
    tables.show(_over_training(training), title)
    with open_file(demo_file("population")) as population:
        networks = population.analyze()
    areas = separation_auc(networks, MEASURES, above=ABOVE, below=BELOW)
    tables.show(areas.reset_index(), "\n" + _population_title(networks))
    print(_verdict(areas, _updates_auc(networks)))
    save_figure(training, areas, figure, overwrite=overwrite)
    print(f"\nfigure: {figure.resolve()}")


def _over_training(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per snapshot, with the fluctuation of each layer side by side."""
    about = table.drop_duplicates("snapshot")[["step", "epoch", "accuracy"]]
    layers = list(dict.fromkeys(table["layer"]))
    wide = table.pivot(index="snapshot", columns="layer", values="fluctuation")  # noqa: PD010
    return about.reset_index(drop=True).join(wide[layers].reset_index(drop=True))


def _population_title(table: pd.DataFrame) -> str:
    accuracy = table.drop_duplicates("snapshot")["accuracy"]
    good, poor = int((accuracy > ABOVE).sum()), int((accuracy < BELOW).sum())
    return (
        f"{len(accuracy)} small CNNs: how well each measure tells the {good} accurate ones "
        f"(> {ABOVE:.0%}) from the {poor} poor ones (< {BELOW:.0%}); AUC, 0.5 is chance"
    )


def _updates_auc(table: pd.DataFrame) -> float:
    """Return how well the mere length of its training tells an accurate network."""
    networks = table.drop_duplicates("snapshot")
    judged = networks[(networks["accuracy"] > ABOVE) | (networks["accuracy"] < BELOW)]
    return auc(judged["updates"], judged["accuracy"] > ABOVE)


def _verdict(areas: pd.DataFrame, updates: float) -> str:
    best = areas.drop(index="input", errors="ignore").max()
    return (
        f"\nBest hidden or output layer: fluctuation {best['fluctuation']:.2f}, mean strength "
        f"{best['strength_mean']:.2f}; link weights' std {best['link_weight_std']:.2f}, mean "
        f"{best['link_weight_mean']:.2f}. For comparison, the number of training steps alone: "
        f"{updates:.2f}."
    )


def save_figure(
    training: pd.DataFrame, areas: pd.DataFrame, path: Path, *, overwrite: bool = False
) -> None:
    """Draw fluctuation over training beside the separation chart, and save it.

    Parameters
    ----------
    training : pandas.DataFrame
        As `Trajectory.analyze` returns it.
    areas : pandas.DataFrame
        As `separation_auc` returns it.
    path : Path
        Where it is saved.
    overwrite : bool, default False
        Whether a file of that name is replaced.

    Raises
    ------
    CntGraphError
        If it cannot be written.
    """
    from cntgraph.report.plots.figure import new_figure, save
    from cntgraph.report.plots.separation import plot_separation
    from cntgraph.report.plots.training import plot_training

    figure, (left, right) = new_figure(ncols=2, size=(11, 4.2))
    plot_training(training, ax=left)
    left.set_title("One network over training")
    plot_separation(areas, ax=right)
    save(figure, path, overwrite=overwrite)
