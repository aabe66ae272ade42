"""Lines and their names: beside them, or by the color of their order; never most of a figure."""

import numpy as np
import pandas as pd
import pytest

import cntgraph as cg
from cntgraph.report.plots import plot_scatter, plot_training
from cntgraph.report.plots.style import make_axes


def training(names):
    rows = [{"snapshot": k, "layer": name, "fluctuation": k * n, "accuracy": k / 4}
            for k in range(4) for n, name in enumerate(names)]  # fmt: skip
    return pd.DataFrame(rows)


def share_of_axes(ax):
    ax.figure.draw_without_rendering()
    return ax.get_window_extent().width / ax.figure.bbox.width


LONG = [f"model.layers.{k}.self_attn.q_proj" for k in range(16)]


@pytest.mark.parametrize("draw", [plot_training, plot_scatter])
@pytest.mark.parametrize("names", [["conv1", "fc"], LONG[:2], LONG, [f"l{k}" for k in range(40)]])
def test_names_take_no_third_of_a_figure(draw, names):
    ax = draw(training(names))
    key = ax.get_legend()
    assert (key is None) == (names != ["conv1", "fc"])
    assert len(ax.get_lines()) == len(names)
    assert share_of_axes(ax) > 0.5
    if key is None:
        (bar,) = (other for other in ax.figure.axes if other is not ax)
        texts = [text for text in bar.get_yticklabels() if text.get_text()]
        assert 2 <= len(texts) <= 5
        assert bar.get_title(loc="left") == f"layer, of {len(names)}"
        box = ax.figure.bbox
        left = min(bar.get_window_extent().x0, *(text.get_window_extent().x0 for text in texts))
        right = max(text.get_window_extent().x1 for text in texts)
        assert right - left < box.width / 3
        colors = [line.get_color() for line in ax.get_lines()]
        assert len(set(map(tuple, colors))) == len(names)


def test_points_are_networks(ax):
    table = training(["conv1", "conv2", "fc"])
    assert plot_scatter(table, layers=["conv*"], ax=ax) is ax
    assert [line.get_label() for line in ax.get_lines()] == ["conv1", "conv2"]
    assert {line.get_linestyle() for line in ax.get_lines()} == {"None"}
    np.testing.assert_array_equal(ax.get_lines()[1].get_xdata(), [0, 1, 2, 3])
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), [0, 0.25, 0.5, 0.75])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("fluctuation (std of strength)", "accuracy")


def test_points_without_a_number_are_left_out():
    table = training(["conv1", "fc"])
    table.loc[table["layer"] == "fc", "fluctuation"] = np.nan
    assert len(plot_scatter(table).get_lines()) == 1
    with pytest.raises(cg.CntGraphError, match=r"columns \['loss'\]"):
        plot_scatter(table, by="loss")
    with pytest.raises(cg.CntGraphError, match="no layer is called 'pool'"):
        plot_scatter(table, layers=["pool"], ax=make_axes(None))
