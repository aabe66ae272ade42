"""The Builder's layout: embeddings, learned constants, channels first whatever the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.adapters.builder import Builder, layout
from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.core.errors import CoverageWarning, FormatError, GraphSizeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Window
from cntgraph.network.layer import Layer


def recipe(b, name, *shape):
    value = np.random.default_rng(len(name)).normal(size=shape)
    return Recipe.of(b.parameter(Parameter.from_array(name, value)))


# -- embeddings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [1, 4])
def test_an_embedding_is_a_linear_map_of_one_hot_inputs(positions):
    b = Builder()
    tokens = b.input("tokens", (positions,))
    b.output(b.embed("table", tokens, recipe(b, "weight", 7, 3)))
    net = b.finish(strict=True)
    assert [layer.name for layer in net.layers] == ["tokens", "table"]
    table = net.parameters["weight"].read()
    text = np.random.default_rng(0).integers(0, 7, size=positions)
    z = np.zeros(net.n_nodes)
    one_hot = np.eye(7)[text].T
    z[net.layers[0].slice] = one_hot.reshape(-1)
    graph = cg.build_graph(net)
    received = net.split(graph.adjacency.T @ z)["table"].reshape(3, positions)
    assert np.allclose(received, table[text].T)
    assert net.layers[0].is_input
    assert net.layers[0].shape == ((7, positions) if positions > 1 else (7, 1))


def test_one_input_may_be_embedded_twice_and_shifted():
    b = Builder()
    tokens = b.input("tokens", (5,))
    one = b.embed("one", tokens[:-1], recipe(b, "a", 7, 3))
    two = b.embed("two", tokens[1:], recipe(b, "bb", 7, 3))
    b.output(b.add("sum", [one, two]))
    net = b.finish(strict=True)
    assert [layer.name for layer in net.layers] == ["tokens", "sum"]
    adjacency = cg.build_graph(net).adjacency.toarray()[:35, 35:].reshape(7, 5, 3, 4)
    a, bb = (net.parameters[name].read() for name in ("a", "bb"))
    for t in range(4):
        assert np.array_equal(adjacency[:, t, :, t], a)
        assert np.array_equal(adjacency[:, t + 1, :, t], bb)


def test_a_tied_table_is_read_by_both_blocks():
    b = Builder()
    table = recipe(b, "table", 7, 3)
    ids = b.embed("embed", b.input("tokens", (2,)), table)
    b.output(b.linear("head", ids, table, None))
    net = b.finish(strict=True)
    assert net.coverage.loc["table", "block"] == "embed, head"


def test_computed_indices_cut_the_graph():
    b = Builder()
    hidden = b.linear("fc", b.input("x", (3,)), recipe(b, "w", 4, 3), None)
    b.output(b.embed("table", hidden, recipe(b, "weight", 7, 3)))
    with pytest.warns(CoverageWarning, match="indices that are computed"):
        b.finish()


# -- learned constants --------------------------------------------------------------------------


def test_a_class_token_is_nodes_whose_bias_is_learned():
    b = Builder()
    patches = b.linear("patch", b.input("x", (4, 3)).T, recipe(b, "w", 2, 4), None)
    token = b.learned("token", recipe(b, "cls", 1, 1, 2).reshape((1, 2)))
    joined = np.concatenate([token, patches])
    placed = b.scale("position", joined, None, recipe(b, "where", 4, 2))
    b.output(b.linear("head", placed[0], recipe(b, "ww", 5, 2), None))
    net = b.finish(strict=True)
    assert net.layer("token").shape == (2, 1)
    assert net.layer("position").shape == (2, 4)
    strength = net.split(cg.node_strength(net, direction="in"))
    assert np.array_equal(strength["token"], net.parameters["cls"].read().reshape(2, 1))
    where = net.split(net.bias())["position"]
    assert np.array_equal(where, net.parameters["where"].read().T)


# -- layout ---------------------------------------------------------------------------------------

LAYERS = [Layer("a", (3, 2, 4), "conv", 0), Layer("b", (5, 2, 4), "conv", 24)]


def ids(layer):
    return np.arange(layer.start, layer.slice.stop).reshape(layer.shape)


@given(axes=st.permutations(range(3)))
@settings(deadline=None)
def test_the_channel_axis_is_found_in_any_order(axes):
    assert channel_axes(ids(LAYERS[0]).transpose(axes), LAYERS) == (list(axes).index(0),)


def test_the_channel_axis_of_joined_cropped_and_split_nodes():
    a, b = map(ids, LAYERS)
    assert channel_axes(np.concatenate([a, b]), LAYERS) == (0,)
    assert channel_axes(np.concatenate([a, b]).transpose(1, 2, 0), LAYERS) == (2,)
    assert channel_axes(a[:, :1], LAYERS) == (0,)
    assert channel_axes(np.pad(a, ((0, 0), (1, 1), (0, 0)), constant_values=-1), LAYERS) == (0,)
    # Two heads of the first four channels, positions before the features of a head.
    heads = b[:4].reshape(2, 2, 8).swapaxes(1, 2)
    assert channel_axes(heads, LAYERS) == (0, 2)
    # Tokens of two layers with one feature each: only the layer tells them apart.
    one = [Layer("a", (1, 3), "conv", 0), Layer("b", (1, 3), "conv", 3)]
    assert channel_axes(np.stack([ids(one[0])[0], ids(one[1])[0]]), one) == (0,)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (1, 0, 2)])
def test_a_sum_over_joined_layers_is_channels_first(order):
    """The same network traced features first or last has the same nodes in the same order."""
    b = Builder()
    x = b.input("x", (1, 2, 4))
    windows = (Window(2, 2, 1), Window(4, 4, 1))
    parts = [b.conv(name, x, recipe(b, f"w{name}", n, 1, 1, 1), None, windows)
             for name, n in (("p", 3), ("q", 5))]  # fmt: skip
    joined = np.concatenate([p.transpose(order) for p in parts], axis=order.index(0))
    shape = [8 if axis == 0 else 1 for axis in order]
    shifted = b.scale("shift", joined, None, recipe(b, "shift", 8).reshape(tuple(shape)))
    b.output(shifted)
    net = b.finish(strict=True)
    assert net.layer("shift").shape == (8, 2, 4)
    shift = net.parameters["shift"].read()
    assert np.array_equal(net.split(net.bias())["shift"], np.broadcast_to(
        shift[:, None, None], (8, 2, 4)))  # fmt: skip


@given(axes=st.permutations(range(3)), varies=st.tuples(st.booleans(), st.booleans()))
@settings(deadline=None)
def test_a_scaling_is_folded_in_whatever_order_and_parts_a_layer_is_seen(axes, varies):
    """Heads and the features of a head are one axis of the layer, and two of what is scaled."""
    b = Builder()
    x, w = b.input("x", (4, 5)), recipe(b, "w", 6, 4, 1)
    heads = b.conv("conv", x, w, None, (Window(5, 5, 1),)).reshape(2, 3, 5).transpose(axes)
    sizes = [n if varied else 1 for n, varied in zip((2, 3), varies, strict=True)] + [1]
    gain, shift = (recipe(b, name, *(sizes[k] for k in axes)) for name in ("gain", "a shift"))
    b.output(b.scale("scale", heads, gain, shift))
    net = b.finish(strict=True)
    (block,), stored = net.blocks, {name: p.read() for name, p in net.parameters.items()}
    factor, bias = (np.broadcast_to(stored[name].transpose(np.argsort(axes)), (2, 3, 1)).ravel()
                    for name in ("gain", "a shift"))  # fmt: skip
    assert np.allclose(block.weight.read(), stored["w"] * factor[:, None, None])
    assert np.allclose(net.split(net.bias())["conv"], bias[:, None])


def test_the_gate_modulates_whatever_side_it_stands_on():
    for swap in (False, True):
        b = Builder()
        x = b.input("x", (3,))
        plain = b.linear("plain", x, recipe(b, "a", 2, 3), None)
        gate = b.activate(b.linear("gate", x, recipe(b, "bb", 2, 3), None), "sigmoid")
        b.output(b.multiply("mul", [gate, plain] if swap else [plain, gate]))
        net = b.finish(strict=True)
        handed = {block.source.start: block.modulatory for block in net.blocks_into(net.layers[-1])}
        assert handed == {net.layer("plain").start: False, net.layer("gate").start: True}


def test_a_network_has_a_largest_size(monkeypatch):
    b = Builder()
    b.input("x", (4, 4))
    monkeypatch.setattr(layout, "MAX_NODES", 20)
    with pytest.raises(GraphSizeError, match=r"wide: a layer of shape \(5,\).*at most 20"):
        b.linear("wide", b.layers and np.arange(16), recipe(b, "w", 5, 16), None)
    with pytest.raises(GraphSizeError):
        b.input("y", (1 << 40,))


def test_a_layer_of_negative_size_is_refused():
    """Damaged files note such; the nodes that come after it would begin before it."""
    builder = Builder()
    builder.input("x", (3,))
    with pytest.raises(FormatError, match=r"a layer of shape \(4, -2\); the file is damaged"):
        builder.opaque("cut", (4, -2), "an operation", "a reason")


# -- views ----------------------------------------------------------------------------------------

MOVES = [
    lambda x: x.transpose(), lambda x: x.reshape(-1), lambda x: x[1:], lambda x: x[..., :1],
    lambda x: x[::-1], lambda x: x[:, None], lambda x: np.broadcast_to(x, (2, *x.shape)),
    lambda x: x.copy(), lambda x: x.reshape(-1)[::2], lambda x: np.where(x > 5, x, -1),
]  # fmt: skip


@given(
    st.tuples(st.integers(0, 3), st.integers(1, 4)), st.lists(st.sampled_from(MOVES), max_size=4)
)
@settings(max_examples=200)
def test_a_view_is_that_of_the_ids_however_it_is_found(shape, moves):
    b = Builder()
    b.input("before", (3,))
    ids = b.input("input", shape)
    b.activate(ids, "relu")
    for move in moves:
        ids = move(ids) if ids.ndim > 1 else ids
    found, wanted = b.view(ids), View.of(ids)
    assert (found.shape, found.start) == (wanted.shape, wanted.start)
    assert (found.ids is None) == (wanted.ids is None)
    np.testing.assert_array_equal(found.as_ids(), np.maximum(ids, -1).reshape(-1))
