"""Figures: axes come back with what was asked for on them, and nothing else happens."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import cntgraph as cg
from cntgraph.report.plots import plot_separation, plot_training
from cntgraph.report.plots.figure import new_figure, save
from cntgraph.report.plots.style import COLORS


def training(layers=("conv1", "fc"), n=4):
    rng = np.random.default_rng(0)
    rows = [
        {"snapshot": k, "step": 10 * k, "epoch": k / 2, "layer": layer,
         "fluctuation": rng.random(), "strength_mean": -rng.random(), "nowhere": np.nan}
        for k in range(n) for layer in layers
    ]  # fmt: skip
    return pd.DataFrame(rows)


# --- Training ---------------------------------------------------------------------------------


def test_a_line_a_layer(ax):
    table = training()
    assert plot_training(table, ax=ax) is ax
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines) == ["conv1", "fc"]
    for layer, line in lines.items():
        part = table[table["layer"] == layer]
        np.testing.assert_array_equal(line.get_xdata(), part["step"])
        np.testing.assert_array_equal(line.get_ydata(), part["fluctuation"])
    assert len({line.get_color() for line in lines.values()}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "fluctuation (std of strength)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["conv1", "fc"]


def test_another_measure_and_axis():
    axes = plot_training(training(), "strength_mean", x="epoch")
    assert isinstance(axes, Axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "strength mean (sum of weights)")
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), [0, 0.5, 1, 1.5])
    assert (axes.get_lines()[0].get_ydata() < 0).all()


def test_layers_without_a_value_are_left_out(ax):
    table = training()
    table.loc[table["layer"] == "conv1", "fluctuation"] = np.nan
    plot_training(table, ax=ax)
    (line,) = ax.get_lines()
    assert (line.get_label(), line.get_color()) == ("fc", COLORS[0])


def test_nothing_to_draw(ax):
    assert plot_training(training(), "nowhere", ax=ax).get_lines()[:] == []
    assert ax.get_legend() is None


def test_more_layers_than_colors(ax):
    names = [f"_layer{k}" for k in range(len(COLORS) + 2)]
    plot_training(training(names), ax=ax)
    assert len(ax.get_lines()) == len(names)
    # Where colors come round again, dashes tell lines apart.
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}) == len(names)
    assert [text.get_text().strip() for text in ax.get_legend().get_texts()] == names


def test_a_table_in_long_form(ax):
    wide = training()
    long = wide.melt(["snapshot", "step", "epoch", "layer"], var_name="measure")
    lines = plot_training(long, "strength_mean", ax=ax).get_lines()
    for line, expected in zip(lines, plot_training(wide, "strength_mean").get_lines(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), expected.get_xydata())
    assert len(lines) == 2
    with pytest.raises(cg.CntGraphError, match="empty: it has no flux"):
        plot_training(long, "flux")


@pytest.mark.parametrize(
    ("options", "missing"),
    [({"measure": "flux"}, "flux"), ({"x": "accuracy"}, "accuracy")],
)
def test_columns_that_are_not_there_are_named(options, missing, ax):
    with pytest.raises(cg.CntGraphError, match=rf"expected columns \['{missing}'\].*'epoch'"):
        plot_training(training(), ax=ax, **options)
    assert ax.get_lines()[:] == []


def test_what_analyze_returns_can_be_drawn():
    with cg.open(cg.demo_file("training")) as trajectory:
        table, layers = trajectory[::5].analyze(), [layer.name for layer in trajectory[0].layers]
    ax = plot_training(table, x="accuracy")
    assert {line.get_label() for line in ax.get_lines()} <= set(layers)
    assert len(ax.get_lines()) >= 4


# --- Separation -------------------------------------------------------------------------------


def test_a_bar_a_layer_and_measure(ax):
    table = pd.DataFrame({"fluctuation": [0.9, 0.6], "link_weight_std": [0.7, 0.5]},
                         index=["conv1", "fc"])  # fmt: skip
    assert plot_separation(table, ax=ax) is ax
    ends = sorted(bar.get_x() + bar.get_width() for bar in ax.patches)
    assert ends == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert all(bar.get_x() == 0.5 for bar in ax.patches)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["conv1", "fc"]
    # The first layer is above, each bar is near the tick of its layer, and no two overlap.
    assert ax.yaxis_inverted()
    rows = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches]
    assert sorted(round((a + b) / 2) for a, b in rows) == [0, 0, 1, 1]
    assert all(
        b <= c + 1e-9 for (_, b), (c, _) in zip(sorted(rows), sorted(rows)[1:], strict=False)
    )
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["fluctuation", "link weight std"]
    assert "chance" in ax.get_xlabel()
    assert ax.get_xlim() == (0.5, 1.0)


def test_layers_without_a_value_have_no_bar(ax):
    plot_separation(pd.DataFrame({"fluctuation": [np.nan, 0.7]}, index=["conv1", "fc"]), ax=ax)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([np.nan, 0.2], nan_ok=True)


def intervals():
    """A separation table of two layers and three measures, one of them without an AUC."""
    rows = [
        (layer, measure, auc, auc - 0.1, min(auc + 0.05, 1.0))
        for layer, aucs in {"conv1": (0.9, 0.2, np.nan), "fc": (1.0, 0.5, np.nan)}.items()
        for measure, auc in zip(("fluctuation", "link_weight_std", "nowhere"), aucs, strict=True)
    ]
    return pd.DataFrame(rows, columns=["layer", "measure", "auc", "auc_low", "auc_high"])


def test_a_point_with_its_interval_a_layer_and_measure(ax):
    table = intervals()
    assert plot_separation(table, ax=ax) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["conv1", "fc"]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["fluctuation", "link weight std"]
    for bars, measure in zip(ax.containers, ("fluctuation", "link_weight_std"), strict=True):
        part = table[table["measure"] == measure]
        points, _, (whiskers,) = bars.lines
        np.testing.assert_allclose(points.get_xdata(), part["auc"])
        assert [round(y) for y in points.get_ydata()] == [0, 1]
        ends = np.array([segment[:, 0] for segment in whiskers.get_segments()])
        np.testing.assert_allclose(ends, part[["auc_low", "auc_high"]], atol=1e-12)
    places = [y for bars in ax.containers for y in bars.lines[0].get_ydata()]
    assert len(set(places)) == 4
    assert ax.yaxis_inverted()
    chance = ax.get_lines()[0]
    assert [*chance.get_xdata()] == [0.5, 0.5]
    assert ax.get_xlim()[0] < 0 < 1 < ax.get_xlim()[1]


def test_an_interval_without_its_estimate_and_one_unknown(ax):
    table = intervals().iloc[:2].assign(auc_low=[0.95, np.nan], auc_high=[0.97, np.nan])
    plot_separation(table, ax=ax)
    ends = [bars.lines[2][0].get_segments()[0][:, 0] for bars in ax.containers]
    np.testing.assert_allclose(ends, [[0.9, 0.97], [0.2, 0.2]])


def test_a_figure_is_as_high_as_its_rows_need():
    few, many = (
        pd.concat([intervals().assign(layer=f"layer{k}") for k in range(n)]) for n in (1, 20)
    )
    heights = [plot_separation(table).figure.get_figheight() for table in (few, many)]
    assert heights[0] == 2.5
    assert heights[1] > 2 * heights[0]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"fluctuation": []}), "the table is empty"),
        (pd.DataFrame(index=["fc"]), "no measure to draw"),
        (intervals().iloc[:0], "no row of the table has an AUC"),
        (intervals().assign(auc=np.nan), "no row of the table has an AUC"),
    ],
)
def test_nothing_to_separate(table, said):
    with pytest.raises(cg.CntGraphError, match=said):
        plot_separation(table)


# --- Figures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_saving(tmp_path, suffix):
    figure, (left, right) = new_figure(2, size=(6, 3))
    plot_training(training(), ax=left)
    plot_separation(pd.DataFrame({"a": [0.7]}, index=["fc"]), ax=right)
    save(figure, tmp_path / f"figure{suffix}")
    assert (tmp_path / f"figure{suffix}").stat().st_size > 2000
    assert tuple(figure.get_size_inches()) == (6, 3)


@pytest.mark.parametrize("name", ["figure.xyz", "absent/figure.png"])
def test_a_figure_that_cannot_be_saved(tmp_path, name):
    figure, _ = new_figure()
    with pytest.raises(cg.CntGraphError, match=r"cannot be written"):
        save(figure, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_plots_are_imported_without_matplotlib():
    import subprocess

    code = "import sys, cntgraph.report.plots; print('matplotlib' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
