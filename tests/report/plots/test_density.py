"""Densities: every curve of the table is drawn, in its color, on labeled axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import cntgraph as cg
from cntgraph.report.plots import plot_density
from cntgraph.report.plots.density import FILLED, OVERLAID
from cntgraph.training.population import Population


def training(n=3, **about):
    """A density table of one layer at n moments, in disorder."""
    x = np.linspace(-2, 2, 11)
    parts = [
        pd.DataFrame({"snapshot": k, "step": 10 * k, "accuracy": 1 - k / 10, "layer": "fc",
                      "measure": "strength", "x": x, "density": np.exp(-(x**2)) * (k + 1)})
        for k in range(n)
    ]  # fmt: skip
    return pd.concat(parts).sample(frac=1, random_state=0).assign(**about)


def population(edges=(0.0, 0.3, 0.8, 1.0)):
    """A density table of one layer by bins of accuracy."""
    x = np.linspace(0, 1, 5)
    bins = pd.IntervalIndex.from_breaks(edges)
    parts = [
        pd.DataFrame({"bin": [interval] * 5, "n_networks": 2, "n_samples": 10, "layer": "conv1",
                      "measure": "link_weights", "x": x, "density": x * k})
        for k, interval in enumerate(bins)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def bar_of(ax):
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    return bar


@pytest.mark.parametrize("n", [1, 2, FILLED, FILLED + 1, OVERLAID])
def test_a_curve_a_snapshot(n, ax):
    table = training(n)
    assert plot_density(table, ax=ax) is ax
    assert len(ax.get_lines()) == n
    for k, line in enumerate(ax.get_lines()):
        part = table[table["snapshot"] == k].sort_values("x")
        np.testing.assert_array_equal(line.get_xydata(), part[["x", "density"]])
    assert len({line.get_color() for line in ax.get_lines()}) == n
    assert ax.get_xlabel() == "strength (sum of weights)"
    assert ax.get_ylabel() == "probability density (1/weight)"
    assert bar_of(ax).get_ylabel() == "step"
    assert ax.get_title() == "fc"
    assert (ax.get_ylim()[0], ax.get_xlim()) == (0, (-2, 2))
    assert len(ax.collections) == (n if n <= FILLED else 0)


def test_colors_go_from_dark_to_light_by_the_column_asked_for(ax):
    table = training(4)
    plot_density(table, color_by="accuracy", ax=ax)
    peaks = [line.get_ydata().max() for line in ax.get_lines()]
    assert peaks == [4, 3, 2, 1]
    light = [sum(to_rgb(line.get_color())) for line in ax.get_lines()]
    assert light == sorted(light)
    assert bar_of(ax).get_ylabel() == "accuracy"
    assert bar_of(ax).get_ylim() == pytest.approx((0.7, 1.0))


def test_a_curve_a_bin_and_a_step_of_the_color_bar(ax):
    table = population()
    table.attrs["by"] = "test_accuracy"
    plot_density(table, ax=ax)
    assert [line.get_ydata()[-1] for line in ax.get_lines()] == [0, 1, 2]
    assert bar_of(ax).get_ylabel() == "test accuracy"
    assert [*bar_of(ax).get_yticks()] == [0.0, 0.3, 0.8, 1.0]
    assert ax.get_xlabel() == "link weight"


def test_bins_as_pandas_cuts_them_and_empty_ones(ax):
    table = population()
    table["bin"] = pd.Categorical(table["bin"], table["bin"].unique(), ordered=True)
    table.loc[table["n_networks"].index[:5], "density"] = np.nan
    plot_density(table, ax=ax)
    assert [line.get_ydata()[-1] for line in ax.get_lines()] == [1, 2]
    assert bar_of(ax).get_ylabel() == "bin"


@pytest.mark.parametrize("n", [OVERLAID + 1, 100])
def test_many_curves_stand_one_behind_the_other(n, ax):
    table = training(n)
    plot_density(table, ax=ax)
    lines = ax.get_lines()
    assert len(lines) == n
    bottoms = [line.get_ydata().min() for line in lines]
    assert bottoms == sorted(bottoms)
    # The smallest step is in front; heights are in proportion.
    assert [line.get_zorder() for line in lines] == sorted(
        (line.get_zorder() for line in lines), reverse=True
    )
    heights = [np.ptp(line.get_ydata()) for line in lines]
    np.testing.assert_allclose(heights / heights[0], np.arange(1, n + 1))
    ticks = [float(tick.get_text()) for tick in ax.get_yticklabels()]
    assert ticks == sorted(ticks)
    assert (ticks[0], ticks[-1]) == (0, 10 * (n - 1))
    assert ax.get_ylabel() == "step (heights: density)"


def test_a_ridge_is_had_or_not_by_asking(ax):
    assert len(plot_density(training(3), ridge=True).figure.axes) == 1
    plot_density(training(OVERLAID + 1), ridge=False, ax=ax)
    assert all(line.get_ydata().min() < 0.1 * (k + 1) for k, line in enumerate(ax.get_lines()))


def test_constant_densities(ax):
    plot_density(training(OVERLAID + 1, density=0.0), ax=ax)
    assert len(ax.get_lines()) == OVERLAID + 1


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (training().iloc[:0], {}, "the table is empty: it has no densities"),
        (training().drop(columns="x"), {}, r"expected columns \['x'\]"),
        (training(), {"color_by": "loss"}, r"expected columns \['loss'\]"),
        (training().assign(layer=lambda t: t["step"].map({0: "a", 10: "b", 20: "b"})), {},
         r"densities of one layer, got .*table\[table\['layer'\] =="),
        (training(accuracy=np.nan), {"color_by": "accuracy"}, "no curve has both"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn(table, options, said, ax):
    with pytest.raises(cg.CntGraphError, match=said):
        plot_density(table, ax=ax, **options)


def test_bins_of_names_have_a_legend(ax):
    table = population()
    table["bin"] = ["sgd"] * 5 + ["adam"] * 5 + ["_own"] * 5
    table.attrs["by"] = "optimizer"
    plot_density(table, ax=ax)
    legend = ax.get_legend()
    assert [text.get_text().strip() for text in legend.get_texts()] == ["sgd", "adam", "_own"]
    assert legend.get_title().get_text() == "optimizer"
    assert len({line.get_color() for line in ax.get_lines()}) == 3
    assert len(ax.figure.axes) == 1
    assert [tick.get_text() for tick in plot_density(table, ridge=True).get_yticklabels()] == [
        "sgd", "adam", "_own"
    ]  # fmt: skip


def test_what_trajectories_and_populations_return_can_be_drawn(ax):
    with cg.open(cg.demo_file("training")) as trajectory:
        table = trajectory[::5].density("strength", "fc1", n_points=50)
    plot_density(table, color_by="accuracy", ax=ax)
    assert len(ax.get_lines()) == 4
    assert sum(len(line.get_xdata()) for line in ax.get_lines()) == len(table)
    population = Population.from_files(cg.demo_file("population"), snapshots="all")[:6]
    table = population.densities("link_weights", "fc2", bins=[0, 0.5, 0.7, 1], n_points=50)
    lines = plot_density(table).get_lines()
    assert len(lines) == (table.groupby("bin", observed=True)["n_networks"].first() > 0).sum()


def test_letters_are_legible_in_a_column():
    ax = plot_density(training())
    assert ax.figure.get_figwidth() == pytest.approx(85 / 25.4, abs=0.01)
    ax.figure.canvas.draw()
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *bar_of(ax).get_yticklabels()]
    assert min(text.get_fontsize() for text in texts) >= 7
