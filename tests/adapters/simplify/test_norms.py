"""Normalizations by statistics of the data: traced in parts, and with gains folded forward."""

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Window


def recipe(b, name, *shape, seed=0):
    value = np.random.default_rng(len(name) + seed).normal(size=shape)
    return Recipe.of(b.parameter(Parameter.from_array(name, value)))


def value(net, name):
    return net.parameters[name].read()


def mean(b, name, ids):
    """The mean over the last axis, kept."""
    flat = ids.reshape(-1, ids.shape[-1])
    made = b.pool(name, flat, (AxisOperator.adaptive(ids.shape[-1], 1),), "average")
    return made.reshape(*ids.shape[:-1], 1)


def in_parts(b, ids, *, centered, inverse="rsqrt"):
    """A layer norm (or RMS norm) of the last axis as frameworks without one trace it."""
    if centered:
        ids = b.add("n.sub", [ids, mean(b, "n.mean", ids)], (1.0, -1.0))
    statistic = mean(b, "n.variance", b.activate(ids, "pow"))
    statistic = b.scale("n.eps", statistic, None, Recipe.constant(1e-6), parametric=False)
    return b.multiply("n.mul", [ids, b.activate(statistic, inverse)])


def normalized(b, ids, gain, shift, kind):
    ids = b.activate(ids, kind)
    plain = gain is None and shift is None
    return ids if plain else b.scale("n", ids, gain, shift, kind="norm", foldable=False)


def build(positions, norm, *, gain=True, shift=True, readers=("out",), mode="fold"):
    b = Builder()
    shape = (4, positions) if positions > 1 else (4,)
    x = np.moveaxis(b.input("x", shape).reshape(4, positions), 0, -1)
    ids = b.linear("first", x, recipe(b, "w", 3, 4), recipe(b, "c", 3))
    g, s = (recipe(b, name, 3) if wanted else None for name, wanted in (("g", gain), ("s", shift)))
    if norm == "whole":
        ids = normalized(b, ids, g, s, "layer_norm")
    else:
        ids = in_parts(b, ids, centered=norm == "layer")
        ids = ids if g is None else b.scale("gain", ids, g, None)
        ids = ids if s is None else b.scale("shift", ids, None, s)
    for name in readers:
        b.output(b.linear(name, ids, recipe(b, f"w.{name}", 2, 3), recipe(b, f"b.{name}", 2)))
    return b.finish(norm=mode, strict=True)


@pytest.mark.parametrize("norm", ["whole", "layer", "rms"])
@pytest.mark.parametrize("positions", [1, 5])
@pytest.mark.parametrize(("gain", "shift"), [(True, True), (True, False), (False, False)])
def test_gain_and_shift_are_folded_into_every_reader(norm, positions, gain, shift):
    net = build(positions, norm, gain=gain, shift=shift, readers=("out", "second"))
    assert [layer.name for layer in net.layers] == ["x", "first", "out", "second"]
    assert net.layer("first").activation == ("rms_norm" if norm == "rms" else "layer_norm")
    for name in ("out", "second"):
        w, b = value(net, f"w.{name}"), value(net, f"b.{name}")
        g = value(net, "g") if gain else np.ones(3)
        s = value(net, "s") if shift else np.zeros(3)
        (block,) = net.blocks_into(net.layer(name))
        assert np.allclose(block.weight.read().reshape(2, 3), w * g)
        assert np.allclose(block.bias.read().reshape(-1), w @ s + b)
        assert net.layers_of(block.source) == (net.layer("first"),)
    if gain:
        assert net.coverage.loc["g", "status"] == "folded"
        assert net.coverage.loc["g", "block"] == "out, second"


@pytest.mark.parametrize("norm", ["whole", "layer", "rms"])
def test_a_norm_in_parts_is_the_norm_as_a_whole(norm):
    whole, parts = build(5, "whole", shift=False), build(5, norm, shift=False)
    assert [layer.shape for layer in whole.layers] == [layer.shape for layer in parts.layers]
    assert np.allclose(cg.node_strength(whole), cg.node_strength(parts), rtol=1e-14)


@pytest.mark.parametrize("norm", ["whole", "layer"])
def test_norm_keep_leaves_the_gain_a_block(norm):
    net = build(5, norm, mode="keep")
    kept = net.layers[2]
    (block,) = net.blocks_into(kept)
    assert block.kind == "diagonal"
    assert kept.shape == (3, 5)
    assert np.array_equal(block.weight.read().reshape(-1), value(net, "g"))
    assert np.array_equal(block.bias.read().reshape(-1), value(net, "s"))


def test_a_gain_that_not_only_affine_operations_read_is_kept():
    b = Builder()
    x = b.input("x", (3,))
    ids = b.linear("first", x, recipe(b, "w", 3, 3), None)
    ids = normalized(b, ids, recipe(b, "g", 3), None, "layer_norm")
    b.output(b.add("sum", [b.linear("out", ids, recipe(b, "v", 3, 3), None), ids]))
    net = b.finish(strict=True)
    assert net.layer("n").kind == "norm"


@pytest.mark.parametrize("padding", [0, 1])
def test_a_shift_does_not_pass_padding(padding):
    b = Builder()
    x = b.input("x", (2, 5))
    ids = normalized(b, x, recipe(b, "g", 2, 1), recipe(b, "s", 2, 1), "group_norm")
    window = Window(5, 5 + 2 * padding - 2, 3, 1, 1, padding)
    b.output(b.conv("conv", ids, recipe(b, "w", 4, 2, 3), None, (window,)))
    net = b.finish(strict=True)
    assert [layer.name for layer in net.layers] == ["x", *["n"] * padding, "conv"]
    if not padding:
        (block,) = net.blocks
        w, g, s = (value(net, name) for name in "wgs")
        assert np.allclose(block.weight.read(), w * g[None])
        assert np.allclose(block.bias.read().reshape(-1), (w * s[None]).sum(axis=(1, 2)))


def test_a_gain_is_followed_into_a_flattened_and_a_permuted_reader():
    b = Builder()
    x = b.input("x", (3, 4))
    ids = normalized(b, x, recipe(b, "g", 3, 1), recipe(b, "s", 3, 1), "group_norm")
    b.output(b.linear("out", ids.T.reshape(-1), recipe(b, "w", 2, 12), None))
    net = b.finish(strict=True)
    (block,) = net.blocks
    w, g, s = value(net, "w"), np.tile(value(net, "g").ravel(), 4), value(net, "s").ravel()
    assert np.allclose(block.weight.read(), w * g)
    assert np.allclose(block.bias.read(), w @ np.tile(s, 4))


def test_a_gain_may_be_seen_with_more_axes_than_its_layer_has():
    b = Builder()
    x = b.input("x", (3, 4)).reshape(3, 2, 2)
    ids = normalized(b, x, recipe(b, "g", 3, 1, 1), recipe(b, "s", 3, 1, 1), "group_norm")
    b.output(b.linear("out", ids.reshape(-1), recipe(b, "w", 2, 12), None))
    net = b.finish(strict=True)
    (block,) = net.blocks
    w, g, s = value(net, "w"), value(net, "g").ravel(), value(net, "s").ravel()
    assert np.allclose(block.weight.read(), w * np.repeat(g, 4))
    assert np.allclose(block.bias.read(), w @ np.repeat(s, 4))


def test_excitation_is_no_normalization():
    """A product with a learned function of the mean stays what it is."""
    b = Builder()
    x = b.input("x", (3, 4))
    ids = b.conv("conv", x, recipe(b, "w", 3, 3, 1), None, (Window(4, 4, 1),))
    squeezed = mean(b, "mean", ids).reshape(-1)
    gate = b.linear("fc", squeezed, recipe(b, "v", 3, 3), None)
    b.output(b.multiply("mul", [ids, b.activate(gate, "sigmoid").reshape(3, 1)]))
    net = b.finish(strict=True)
    assert [layer.name for layer in net.layers] == ["x", "conv", "mean", "fc", "mul"]


def test_a_difference_to_the_mean_alone_is_linear():
    b = Builder()
    x = b.input("x", (4,))
    ids = b.linear("first", x, recipe(b, "w", 3, 4), None)
    ids = b.add("sub", [ids, mean(b, "mean", ids)], (1.0, -1.0))
    b.output(b.linear("out", ids, recipe(b, "v", 2, 3), None))
    net = b.finish(strict=True)
    assert [layer.name for layer in net.layers] == ["x", "first", "mean", "sub", "out"]
