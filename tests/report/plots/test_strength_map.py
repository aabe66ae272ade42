"""Strength as an image: every node of a convolution in its place."""

from dataclasses import replace

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.parameter import Parameter
from cntgraph.report.plots import plot_strength_map


@pytest.fixture(scope="module")
def net():
    with cg.open(cg.demo_file("training")) as trajectory:
        yield trajectory[-1]


def tiles(ax, shape):
    """The channels of a picture, in order, and what is no channel."""
    picture = ax.images[0].get_array()
    n, height, width = shape
    rows, columns = (picture.shape[0] + 1) // (height + 1), (picture.shape[1] + 1) // (width + 1)
    found = [
        picture[r * (height + 1) :, c * (width + 1) :][:height, :width]
        for r in range(rows)
        for c in range(columns)
    ]
    assert picture.count() == n * height * width
    return np.ma.stack(found[:n]).filled(np.nan)


@pytest.mark.parametrize("direction", ["total", "in", "out"])
@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv2"])
def test_every_channel_is_there_in_order(net, layer, direction, ax):
    assert plot_strength_map(net, layer, direction=direction, ax=ax) is ax
    expected = net.split(cg.node_strength(net, direction=direction))[layer]
    np.testing.assert_array_equal(tiles(ax, expected.shape), expected)
    low, high = ax.images[0].get_clim()
    assert -low == high == (np.abs(expected).max() or 1.0)
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    name = {"total": "strength", "in": "in strength", "out": "out strength"}[direction]
    assert bar.get_ylabel() == f"{name} (sum of weights)"
    assert [text.get_text() for text in ax.texts] == [str(k) for k in range(len(expected))]
    assert ax.get_title() == layer
    assert f"{len(expected)} channels of" in ax.get_xlabel()


@pytest.mark.parametrize("channel", [0, 7])
def test_one_channel(net, channel, ax):
    plot_strength_map(net, "conv1", channel=channel, ax=ax)
    expected = net.split(cg.node_strength(net))["conv1"][channel]
    np.testing.assert_array_equal(ax.images[0].get_array(), expected)
    assert ax.get_title() == f"conv1, channel {channel}"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (nodes)", "y (nodes)")


def test_an_image_of_one_channel_has_its_axes(net, ax):
    plot_strength_map(net, "input", ax=ax)
    assert ax.images[0].get_array().shape == (8, 8)
    assert ax.get_ylabel() == "y (nodes)"


def line_of(net, shape):
    """The same network, its input of another shape."""
    layers = tuple(replace(x, shape=shape) if x.is_input else x for x in net.layers)
    return replace(net, layers=layers)


def test_a_line_of_nodes_is_an_image_of_one_row_a_channel(ax):
    net = line_of(cg.toy("mlp"), (2, 3))
    plot_strength_map(net, "input", ax=ax)
    expected = cg.node_strength(net)[:6].reshape(2, 1, 3)
    np.testing.assert_array_equal(tiles(ax, (2, 1, 3)), expected)


def test_nodes_that_are_not_finite_are_gray(ax):
    net = cg.toy("cnn")
    values = {name: p.read().copy() for name, p in net.parameters.items()}
    name = next(name for name, p in net.parameters.items() if p.shape[:1] == (2,) and p.size == 2)
    values[name][0] = np.inf
    net = net.bind({k: Parameter.from_array(k, v) for k, v in values.items()}, {})
    plot_strength_map(net, "conv1", ax=ax)
    assert ax.images[0].get_array().count() == 36
    assert np.isfinite(ax.images[0].get_clim()).all()


@pytest.mark.parametrize(
    ("layer", "options", "said"),
    [
        ("fc1", {}, r"shape \(channels, height, width\).*'fc1' has shape \(32,\)"),
        ("conv1", {"channel": 8}, "expected a channel below 8, got 8"),
        ("conv1", {"channel": -1}, "expected a channel below 8, got -1"),
        ("conv9", {}, "no layer is called 'conv9'"),
        ("conv1", {"direction": "up"}, "direction"),
    ],
)
def test_what_has_no_image(net, layer, options, said, ax):
    with pytest.raises(cg.CntGraphError, match=said):
        plot_strength_map(net, layer, ax=ax, **options)
