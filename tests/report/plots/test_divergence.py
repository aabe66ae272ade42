"""Heatmaps of divergences: the matrix as it is, its names, its unit."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import cntgraph as cg
from cntgraph.report.plots import plot_divergence
from cntgraph.report.plots.divergence import NAMED


def matrix(n, m=None, name="layer"):
    values = np.random.default_rng(0).random((n, m or n))
    rows = pd.Index([f"fc{k}" for k in range(n)], name=name)
    return pd.DataFrame(values, rows, pd.Index([f"fc{k}" for k in range(m or n)], name="layer"))


def color_bar(ax):
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    return bar


def test_the_matrix_is_drawn_with_its_names(ax):
    table = matrix(3)
    assert plot_divergence(table, kind="jeffreys", ax=ax) is ax
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), table)
    assert image.get_clim() == (0, table.to_numpy().max())
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [text.get_text() for text in labels] == ["fc0", "fc1", "fc2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "layer")
    assert color_bar(ax).get_ylabel() == "Jeffreys divergence (nats)"
    numbers = [float(text.get_text()) for text in ax.texts]
    np.testing.assert_allclose(numbers, table.to_numpy().ravel(), rtol=0.06)
    assert ax.get_aspect() == 1


def test_the_table_may_know_its_kind(ax):
    table = matrix(2)
    table.attrs.update(kind="jensen_shannon", base=2)
    plot_divergence(table, ax=ax)
    assert color_bar(ax).get_ylabel() == "Jensen–Shannon divergence (bits)"


def test_snapshots_by_layers(ax):
    plot_divergence(matrix(40, 3, "snapshot"), ax=ax)
    assert ax.images[0].get_array().shape == (40, 3)
    assert ax.get_aspect() == "auto"
    assert len(ax.get_yticks()) <= NAMED
    assert [text.get_text() for text in ax.get_yticklabels()][:2] == ["fc0", "fc4"]
    assert ax.texts[:] == []
    assert color_bar(ax).get_ylabel() == "divergence"


def test_infinite_and_undefined_cells_are_gray(ax):
    table = matrix(3)
    table.iloc[0, 1:] = np.inf, np.nan
    plot_divergence(table, ax=ax)
    (image,) = ax.images
    assert image.get_array().mask.sum() == 2
    assert to_rgb(image.cmap.get_bad()) == (0.8, 0.8, 0.8)
    assert image.get_clim()[1] == table.to_numpy()[1:].max()
    assert [text.get_text() for text in ax.texts][1:3] == ["∞", "–"]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_matrices_of_one_value(value, ax):
    plot_divergence(matrix(2) * 0 + value, ax=ax)
    assert ax.images[0].get_clim() == (0, 1)


def test_bins_name_the_cells(ax):
    bins = pd.IntervalIndex.from_breaks([0, 0.3, 0.8, 1.0], name="accuracy")
    plot_divergence(pd.DataFrame(np.eye(3), bins, bins), ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()][1] == "(0.3, 0.8]"
    assert ax.get_xlabel() == "accuracy"
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {0.0}


def test_long_names_are_turned(ax):
    table = matrix(4).rename(columns=lambda name: f"encoder.layers.{name}")
    plot_divergence(table, ax=ax)
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {45.0}


def test_what_a_trajectory_returns_can_be_drawn(ax):
    with cg.open(cg.demo_file("training")) as trajectory:
        table = trajectory[::5].divergence("link_weights", kind="wasserstein")
    plot_divergence(table, kind="wasserstein", ax=ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), table)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["conv1", "conv2", "fc1", "fc2"]
    assert ax.get_ylabel() == "snapshot"


def test_an_empty_matrix(ax):
    with pytest.raises(cg.CntGraphError, match="empty"):
        plot_divergence(pd.DataFrame(), ax=ax)
