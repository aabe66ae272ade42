import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.random_graphs import graph_of, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.export.appearance import SIZE, SMALLEST, appearance
from cntgraph.export.colors import MISSING, NEGATIVE, POSITIVE, sequence_colors, value_colors
from cntgraph.graph.node_positions import node_positions


@pytest.fixture
def graph():
    return cg.build_graph(cg.toy("mlp"))


def lightness(colors):
    """How light colors look: L* of CIELAB."""
    linear = np.asarray(colors) / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return 116 * np.cbrt(luminance) - 16


def test_values_on_both_sides_of_zero_diverge():
    colors = value_colors(np.array([-1.0, -4.0, 0.0, 2.0, np.nan, np.inf]))
    assert colors[1].tolist() == list(NEGATIVE)  # the scale reaches as far on both sides
    assert colors[4].tolist() == colors[5].tolist() == list(MISSING)
    assert value_colors(np.array([-1.0, 1.0]))[1].tolist() == list(POSITIVE)
    scale = lightness(value_colors(np.linspace(-1, 1, 101)))
    assert np.all(np.diff(scale[:51]) > 0)
    assert np.all(np.diff(scale[50:]) < 0)


def test_values_on_one_side_go_from_dark_to_light():
    for values in (np.linspace(0, 5, 50), np.linspace(-5, 0, 50), np.arange(50)):
        steps = np.diff(lightness(value_colors(values)))
        assert steps.min() > 0.5 * steps.mean()  # in about even steps
        assert steps.max() < 2 * steps.mean()
    assert lightness(sequence_colors(9)).max() < 90  # not faint on white
    assert sequence_colors(0).shape == value_colors(np.empty(0)).shape == (0, 3)


@given(st.lists(st.floats(), max_size=5))
def test_any_values_have_colors(values):
    colors = value_colors(np.array(values, dtype=float))
    assert colors.shape == (len(values), 3)
    for value, color in zip(values, colors.tolist(), strict=True):
        assert (color == list(MISSING)) == (not np.isfinite(value))


def test_the_scale_is_that_of_the_plots():
    from cntgraph.report.plots.style import sequential_map

    expected = 255 * sequential_map()(np.linspace(0, 1, 60))[:, :3]
    assert np.abs(sequence_colors(60) - expected).max() < 6


def test_one_value_alone():
    assert np.array_equal(value_colors(np.full(3, 7.0)), value_colors(np.zeros(3)))


def test_the_default(graph):
    looks = appearance(graph, {})
    assert np.array_equal(looks.positions, node_positions(graph))
    assert np.all(looks.sizes == SIZE)
    by_layer = [np.unique(looks.colors[layer.slice], axis=0) for layer in graph.layers]
    assert all(len(one) == 1 for one in by_layer)
    assert np.all(np.diff([lightness(one[0]) for one in by_layer]) > 0)


def test_the_area_of_a_node_stands_for_a_measure(graph):
    values = np.linspace(-4, 4, 20)
    sizes = appearance(graph, {"rank": values}, size="rank").sizes
    assert np.array_equal(sizes, appearance(graph, {}, size=values).sizes)
    share = ((sizes - SMALLEST) / (2 * SIZE - SMALLEST)) ** 2
    assert share == pytest.approx(np.abs(values) / 4)
    odd = appearance(graph, {}, size=np.where(np.arange(20) == 3, np.nan, 0.0)).sizes
    assert np.all(odd == SMALLEST)
    assert np.isfinite(appearance(graph, {}, size=np.full(20, 1e308)).sizes).all()


def test_colors_by_a_measure_or_given(graph):
    values = np.linspace(-1, 1, 20)
    expected = value_colors(values)
    assert np.array_equal(appearance(graph, {"a": values}, color="a").colors, expected)
    assert np.array_equal(appearance(graph, {}, color=values).colors, expected)
    given_colors = np.arange(60).reshape(20, 3)
    assert np.array_equal(appearance(graph, {}, color=given_colors).colors, given_colors)


def test_positions_given(graph):
    flat = np.arange(40.0).reshape(20, 2)
    places = appearance(graph, {}, positions=flat).positions
    assert np.array_equal(places, np.column_stack([flat, np.zeros(20)]))
    assert np.array_equal(appearance(graph, {}, positions=places).positions, places)
    assert appearance(graph, {}, positions=None).positions is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "lable"}, "called 'lable'; there are rank; measures= adds others"),
        ({"size": "text"}, "no attribute of nodes that is a number is called 'text'"),
        ({"color": "depth"}, "called 'depth'"),
        ({"size": np.zeros(3)}, r"one number per node, shape \(20,\); got float64 of shape \(3,\)"),
        ({"color": np.zeros((20, 3))}, "whole numbers from 0 to 255; got float64"),
        ({"color": np.full((20, 3), 256)}, "whole numbers from 0 to 255"),
        ({"positions": "circle"}, "expected positions='layers'"),
        ({"positions": np.zeros((3, 2))}, r"of shape \(20, 2\) or \(20, 3\), got \(3, 2\)"),
        ({"positions": np.full((20, 2), np.nan)}, "expected finite positions"),
    ],
)
def test_what_does_not_fit(graph, options, message):
    known = {"rank": np.arange(20), "text": np.array(["a"] * 20, dtype=object)}
    with pytest.raises(CntGraphError, match=message):
        appearance(graph, known, **options)


def test_no_nodes():
    empty = graph_of(layers_of(["a"], [(0,)]), [])
    looks = appearance(empty, {"a": np.empty(0)}, size="a", color="a")
    assert looks.positions.shape == looks.colors.shape == (0, 3)
    assert looks.sizes.shape == (0,)
