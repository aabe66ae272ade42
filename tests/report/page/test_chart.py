"""Charts: what is drawn is what the tables say, and plotly knows every option."""

import json

import numpy as np
import pandas as pd
import pytest
from needs import needs

from cntgraph.report.labels import short_name
from cntgraph.report.page.chart import Chart, View, as_script, numbers, plain, ticks
from cntgraph.report.page.comparison import histogram, intervals, scatter
from cntgraph.report.page.densities import population_densities, training_densities
from cntgraph.report.page.heatmaps import heatmaps

MENUS = {"Measure": ["strength"], "Layer": ["fc"]}


def densities(column, names, layer="fc"):
    """A density table of Gaussians whose means are 0, 1, …."""
    x = np.linspace(-4, 8, 301)
    parts = [
        pd.DataFrame({column: [name] * len(x), "n_networks": k + 1, "layer": layer,
                      "measure": "strength", "x": x,
                      "density": np.exp(-((x - k) ** 2) / 2) / np.sqrt(2 * np.pi)})
        for k, name in enumerate(names)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


# --- What the page's script reads --------------------------------------------------------------


def test_charts_survive_the_way_into_the_page():
    needs("plotly")
    name = "</script><!-- & \u2028 %{x}"
    view = View([{"type": "scatter", "y": [1, None], "name": name}], {"title": {"text": name}})
    text = as_script([Chart("a", "", {(0, 1): view}, {name: [name]}, shared={"x": [1, 2]})])
    assert "<" not in text
    (found,) = json.loads(text)
    assert found["views"]["0.1"]["data"] == view.data
    assert found["menus"] == [{"label": name, "options": [name]}]
    assert found["shared"] == {"x": [1, 2]}


@pytest.mark.parametrize(
    "view",
    [View([{"type": "scatter", "color": "red"}], {}), View([], {"xaxis": {"titel": "x"}}),
     View([{"type": "scater"}], {})],
)  # fmt: skip
def test_plotly_checks_options(view):
    needs("plotly")
    with pytest.raises(ValueError, match=r"[Ii]nvalid"):
        as_script([Chart("a", "", {(): view})])


def test_numbers_keep_five_digits_and_their_shape():
    values = np.random.default_rng(0).normal(size=(3, 4)) * 10.0 ** np.arange(-6, 6, 3)
    np.testing.assert_allclose(numbers(values), values, rtol=1e-4)
    assert numbers([np.nan, np.inf, -np.inf, 3, 1e300]) == [None, None, None, 3, 1e300]
    assert len(json.dumps(numbers([1 / 3]))) == 9


def test_names_and_ticks():
    assert plain("a<b>&%{y}") == "a&lt;b&gt;&amp;%&#123;y}"
    assert short_name("x" * 28) == "x" * 28
    assert len(short_name("x" * 100)) == 28
    axis = ticks([f"<{k}>" for k in range(100)])
    assert len(axis["tickvals"]) <= 12
    assert axis["ticktext"][:2] == ["&lt;0&gt;", "&lt;9&gt;"]
    assert ticks([])["tickvals"] == []


# --- Densities -----------------------------------------------------------------------------------


def test_a_frame_a_snapshot():
    table = densities("snapshot", range(4))
    chart = training_densities(
        {(0, 0): table}, MENUS, ["a", "b", "c", "<d>"], "Snapshot", "A caption."
    )
    view = chart.views[0, 0]
    assert [frame["label"] for frame in view.frames] == ["a", "b", "c", "<d>"]
    for k, frame in enumerate(view.frames):
        expected = table.loc[table["snapshot"] == k, "density"]
        np.testing.assert_allclose(frame["data"][0]["y"], expected, atol=1e-5)
    chosen, first, last = view.data
    np.testing.assert_allclose(chosen["x"], np.linspace(-4, 8, 301), rtol=1e-3, atol=1e-9)
    assert chosen["y"] == last["y"] == view.frames[-1]["data"][0]["y"]
    assert first["y"] == view.frames[0]["data"][0]["y"]
    assert (first["name"], last["name"]) == ("first: a", "last: &lt;d&gt;")
    assert view.layout["xaxis"]["title"]["text"] == "strength (sum of weights)"
    assert view.layout["yaxis"]["range"] == [0, pytest.approx(0.4, abs=0.03)]


def test_a_training_of_one_snapshot():
    chart = training_densities({(0, 0): densities("snapshot", [0])}, MENUS, ["a"], "Snapshot", "")
    view = chart.views[0, 0]
    assert len(view.frames) == 1
    assert view.data[1]["y"] == view.data[2]["y"]


def test_a_curve_a_bin_and_none_for_empty_ones():
    bins = pd.IntervalIndex.from_breaks([0, 0.3, 0.6, 1.0])
    table = densities("bin", bins)
    table.loc[table["bin"] == bins[1], "density"] = np.nan
    view = population_densities({(0, 0): table}, MENUS, "accuracy", "").views[0, 0]
    assert [trace["name"] for trace in view.data] == [
        "accuracy (0.0, 0.3] (1)", "accuracy (0.6, 1.0] (3)"
    ]  # fmt: skip
    assert [trace["meta"]["shade"] for trace in view.data] == [0, 1]
    np.testing.assert_allclose(view.data[1]["y"], table["density"].tail(301), atol=1e-5)


def test_a_peak_far_above_the_others_is_cut():
    table = densities("snapshot", range(5))
    table.loc[table["snapshot"] == 0, "density"] *= 100
    view = training_densities({(0, 0): table}, MENUS, list("abcde"), "Snapshot", "").views[0, 0]
    assert view.layout["yaxis"]["range"][1] == pytest.approx(0.4 * 3, rel=0.1)


# --- Heatmaps ------------------------------------------------------------------------------------


def test_a_heatmap_has_its_names_and_its_gaps():
    index = pd.Index(["<a>", "b"], name="layer")
    matrix = pd.DataFrame([[0, np.nan], [0.5, 0]], index, index)
    chart = heatmaps("between", {(0,): matrix}, {"Measure": ["strength"]}, "")
    (trace,) = chart.views[0,].data
    assert trace["z"] == [[0, None], [0.5, 0]]
    assert trace["text"][0][1] == "&lt;a&gt; – b"
    assert trace["colorbar"]["title"]["text"] == "Jensen–Shannon divergence (nats)"
    assert chart.square
    assert not heatmaps("a", {(0,): matrix.iloc[:1]}, {}, "").square


# --- Networks ------------------------------------------------------------------------------------


def test_a_histogram_counts_every_network():
    values = pd.Series([0.05, 0.1, 0.5, 0.9, 0.95, np.nan])
    chart = histogram(values, "accuracy", 0.8, 0.3)
    (view,) = chart.views.values()
    assert sum(view.data[0]["y"]) == 5
    assert [shape["x0"] for shape in view.layout["shapes"]] == [0.3, 0.8]
    assert "0.3 and 0.8" in chart.caption


def test_a_histogram_of_names():
    view = histogram(pd.Series(["sgd", "<adam>", "sgd"]), "optimizer", 0.8, 0.3).views[()]
    assert dict(zip(view.data[0]["x"], view.data[0]["y"], strict=True)) == {
        "sgd": 2, "&lt;adam&gt;": 1
    }  # fmt: skip


def test_intervals_are_those_of_the_table():
    table = pd.DataFrame({
        "layer": ["conv", "fc", "conv"], "measure": [*["fluctuation"] * 2, "in_strength_std"],
        "auc": [0.9, 0.2, 0.6], "auc_low": [0.7, 0.25, 0.5], "auc_high": [1.0, 0.3, np.nan],
        "n_above": 5, "n_below": 6, "p_adjusted": 0.01,
    })  # fmt: skip
    chart = intervals(table, "")
    assert chart.menus == {"Measures": ["fluctuation, strength, link weights", "strengths"]}
    (fluctuation,), both = chart.views[0,].data, chart.views[1,].data
    assert (fluctuation["x"], fluctuation["y"]) == ([0.9, 0.2], [0, 1])
    # The second interval lies above its estimate, which its whisker begins at.
    assert fluctuation["error_x"]["array"] == pytest.approx([0.1, 0.1])
    assert fluctuation["error_x"]["arrayminus"] == pytest.approx([0.2, 0])
    assert [trace["name"] for trace in both] == ["fluctuation", "in strength std"]
    assert both[1]["error_x"]["array"] == [None]
    assert "5 against 6 networks" in fluctuation["text"][0]


def test_a_point_a_network_that_was_measured():
    labels = pd.DataFrame({"path": ["a", "b", "c"], "accuracy": [0.1, 0.2, 0.3]})
    table = pd.DataFrame({"network": [0, 0, 2, 2], "layer": ["conv", "fc"] * 2,
                          "fluctuation": [1.0, 2.0, 3.0, np.nan]})  # fmt: skip
    chart = scatter(table, labels, ["fluctuation"], ["conv", "fc"], "accuracy", "")
    assert chart.shared["x"] == [0.1, 0.3]
    assert chart.shared["text"][1] == "network 2<br>path: c<br>accuracy: 0.3"
    assert chart.views[0, 0].data[0]["y"] == [1, 3]
    assert chart.views[0, 1].data[0]["y"] == [2, None]


def test_points_by_a_label_of_names():
    labels = pd.DataFrame({"path": ["a", "b"], "optimizer": ["<sgd>", "adam"]})
    table = pd.DataFrame({"network": [0, 1], "layer": "fc", "fluctuation": [1.0, 2.0]})
    chart = scatter(table, labels, ["fluctuation"], ["fc"], "optimizer", "")
    assert chart.shared["x"] == ["&lt;sgd&gt;", "adam"]
