"""Relative fluctuation against dense matrices of which weights make which strength, and draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles.drawn_blocks import any_block
from oracles.nets import nets
from oracles.spy import Spy
from oracles.uses import drawn_squares, expected_square
from torch import nn

import cntgraph as cg
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Conv, Dense, Identity, Window


def of_modules(*modules, size):
    torch.manual_seed(0)
    return cg.load(nn.Sequential(*modules), example_input=torch.zeros(1, *size))


def of_blocks(shape, *blocks):
    """A layer that leads to itself, with what else is there."""
    last = cg.Layer("next", (4,), "dense", 2 * 3 * 4, is_output=True)
    layers = (cg.Layer("own", shape, "conv", 0, is_input=True), last)
    return cg.Network(layers, blocks)


def leaf(name, *shape):
    values = np.random.default_rng(len(shape)).normal(0.3, 1.0, shape)
    return Recipe.of(cg.Parameter.from_array(name, values))


OWN = View((2, 3, 4), 0)
NETS = nets() | {
    "strided": of_modules(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.MaxPool2d(2, 1), nn.Flatten(), nn.Linear(27, 4),
        size=(2, 8, 8),
    ),
    "dilated, in groups": of_modules(
        nn.Conv1d(4, 6, 3, dilation=2, groups=2), nn.Conv1d(6, 6, 2, groups=6), size=(4, 9)
    ),
    "transposed": of_modules(
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1), nn.Conv2d(2, 2, 3), size=(3, 3, 3)
    ),
    "circular": of_modules(
        nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), nn.Conv1d(3, 2, 3), size=(2, 6)
    ),
    "recurrent": cg.load(nn.RNN(3, 5, batch_first=True), input_shape=(4, 3)),
    "convolutional loop": of_blocks(
        (2, 3, 4),
        Conv(name="again", source=OWN, target=OWN, weight=leaf("w", 2, 2, 3, 2),
             bias=leaf("b", 2, 1, 1), windows=(Window(3, 3, 3, before=1), Window(4, 4, 2))),
        Dense(name="on", source=View((24,), 0), target=View((4,), 24), weight=leaf("v", 4, 24)),
        Identity(name="skip", source=View((4,), 3), target=View((4,), 24)),
    ),
}  # fmt: skip
DIRECTIONS = ("total", "in", "out")


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def assert_ratio(net, expected, **options):
    found = cg.relative_fluctuation(net, **options)
    known = expected > 1e-20
    own = cg.layer_fluctuation(net, **options).to_numpy()
    np.testing.assert_allclose(found[known], own[known] / np.sqrt(expected[known]), rtol=1e-9)
    assert found[~known].isna().all()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_is_the_fluctuation_over_that_of_dense_matrices(net, direction):
    for options in ({}, {"edges": "all"}, {"bias": False}):
        options = {"direction": direction, **options}
        assert_ratio(net, expected_square(net, **options), **options)


def test_weights_drawn_ten_thousand_times_vary_as_expected(net):
    own, ratio = cg.layer_fluctuation(net), cg.relative_fluctuation(net)
    squares = drawn_squares(net, 10_000)
    error = squares.std(axis=0) / 100
    known = ratio.notna()
    expected = (own[known] / ratio[known]) ** 2
    assert (np.abs(squares.mean(axis=0)[known] - expected) < 4.5 * error[known]).all()
    assert (error[known] < 0.05 * expected).all()
    assert (squares[:, ~known] < 1e-20).all()


def test_redrawn_networks_have_about_one():
    """As many networks as there are draws, measured as any other; what differs is the mean of Y."""
    rng = np.random.default_rng(0)
    net = of_modules(nn.Conv2d(2, 8, 3), nn.Flatten(), nn.Linear(128, 100), size=(2, 6, 6))
    found = np.array([
        cg.relative_fluctuation(cg.redraw_weights(net, rng=rng, biases=True)) for _ in range(300)
    ])  # fmt: skip
    assert (found**2).mean(axis=0) == pytest.approx(1.0, abs=0.1)


def test_it_does_not_read_the_scale(net):
    scaled = {name: cg.Parameter.from_array(name, 1000.0 * p.read().astype(float))
              for name, p in net.parameters.items()}  # fmt: skip
    if net.parameters:
        np.testing.assert_allclose(
            cg.relative_fluctuation(net.bind(scaled, {})), cg.relative_fluctuation(net), rtol=1e-6
        )


def test_every_edge_of_a_functional_graph_is_a_draw():
    net = cg.toy("cnn")
    shape = net.layers[0].shape
    flow = cg.functional_graph(net, np.random.default_rng(0).normal(size=(5, *shape)))
    assert any(block.kind == "scaled" and block.parametric for block in flow.blocks)
    assert_ratio(flow, expected_square(flow))


@given(any_block, st.integers(1, 60), st.sampled_from(DIRECTIONS))
def test_any_block_between_any_layers(drawn, cut, direction):
    """Its source and target lie in one layer, or two, or across both."""
    block, n = replace(drawn[0], parametric=True), 1 + max(v.span()[1] for v in drawn_views(drawn))
    first = min(cut, n)
    layers = (cg.Layer("a", (first,), "dense"), cg.Layer("b", (n - first,), "dense", first))
    net = cg.Network(layers, (block,))
    if n > first:
        expected = expected_square(net, direction=direction)
        if block.weight is not None and block.weight.shape and block.statistics().n:
            assert_ratio(net, expected, direction=direction)


def drawn_views(drawn):
    return drawn[0].source, drawn[0].target


def test_weights_are_read_once():
    spies = {"w": Spy(4, 3, 3, 3), "v": Spy(5, 100)}
    maps, units = View((4, 5, 5), 75), View((5,), 175)
    conv = Conv(name="conv", source=View((3, 5, 5)), target=maps, weight=spies["w"].as_recipe(),
                windows=(Window(5, 5, 3, before=1),) * 2)  # fmt: skip
    fc = Dense(name="fc", source=maps.reshape((100,)), target=units, weight=spies["v"].as_recipe())
    layers = (cg.Layer("a", (3, 5, 5), "input"), cg.Layer("b", (4, 5, 5), "conv", 75),
              cg.Layer("c", (5,), "dense", 175))  # fmt: skip
    assert cg.relative_fluctuation(cg.Network(layers, (conv, fc))).notna()["b"]
    assert [len(spy.keys) for spy in spies.values()] == [1, 1]


def test_nothing_that_varies_has_no_ratio():
    layers = (cg.Layer("a", (3,), "input"), cg.Layer("b", (1,), "dense", 3),
              cg.Layer("none", (0,), "dense", 4), cg.Layer("apart", (2,), "dense", 4))  # fmt: skip
    weight = Recipe.constant(np.array([[0.1, 0.2, 0.4]]))
    fc = Dense(name="fc", source=View((3,)), target=View((1,), 3), weight=weight)
    found = cg.relative_fluctuation(cg.Network(layers, (fc,)))
    assert found.index.tolist() == ["a", "b", "none", "apart"]
    assert found["a"] == pytest.approx(np.sqrt(1.5))  # by its own spread: of n, n - 1 are free
    assert found[1:].isna().all()
    alike = replace(fc, weight=Recipe.constant(np.full((1, 3), 0.1)))
    assert cg.relative_fluctuation(cg.Network(layers, (alike,))).isna().all()


def test_weights_that_are_not_finite_have_none():
    net = cg.toy("mlp")
    values = net.parameters["fc1.weight"].read().copy()
    values[0, 0] = np.nan
    parameters = {**net.parameters, "fc1.weight": cg.Parameter.from_array("fc1.weight", values)}
    found = cg.relative_fluctuation(net.bind(parameters, {}))
    assert found.isna().tolist() == [True, True, False, False]


def test_directions_that_there_are_not():
    with pytest.raises(cg.CntGraphError, match="'total', 'in' or 'out', got 'both'"):
        cg.relative_fluctuation(cg.toy("mlp"), direction="both")
