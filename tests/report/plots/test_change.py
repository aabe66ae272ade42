"""Figures of changes: a bar a block or a line a block, and what has no number says why."""

import numpy as np
import pytest
from oracles.changed import changed

import cntgraph as cg
from cntgraph.report.plots import plot_change


@pytest.fixture(scope="module")
def table():
    before = {"x": np.ones((2, 3), np.float32), "old": np.ones((4, 4), np.float32),
              "zero": np.zeros((5, 5), np.float32)}  # fmt: skip
    after = {"x": np.full((2, 3), 1.5, np.float32), "zero": np.ones((5, 5), np.float32)}
    return cg.compare(before, after)


def test_a_bar_a_block(table, ax):
    assert plot_change(table, ax=ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "old", "zero"]
    (bar,) = ax.patches
    assert bar.get_width() == pytest.approx(0.5)
    assert [(text.get_text().strip(), text.get_position()[1]) for text in ax.texts] == [
        ("only in a", 1),
        ("∞", 2),
    ]
    assert ax.get_xlabel() == "‖ΔW‖ / ‖W‖"
    assert ax.yaxis_inverted()


def test_other_measures():
    table = cg.compare(cg.toy("cnn"), changed(cg.toy("cnn")))
    for measure in ("sign_flips", "divergence"):
        bars = plot_change(table, measure).patches
        np.testing.assert_allclose([bar.get_width() for bar in bars], table[measure])


def test_a_line_a_block_over_a_training(ax):
    with cg.open(cg.demo_file("training")) as trajectory:
        found = trajectory[::3].change("effective_rank")
    plot_change(found, "effective_rank", ax=ax)
    for line, name in zip(ax.get_lines(), found.columns, strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), found[name])
    assert ax.get_ylabel() == "effective rank of ΔW"
    assert ax.get_legend().get_title().get_text() == "block"


def test_nothing_to_draw(table):
    with pytest.raises(cg.CntGraphError, match="the table is empty: it has no change"):
        plot_change(table.iloc[:0])
    with pytest.raises(cg.CntGraphError, match=r"expected columns \['size'\]"):
        plot_change(table, "size")
