"""The JAX adapter, decided by what JAX itself computes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, nn
from oracles.jax_models import random_flax, randomize, record
from oracles.propagate import ACTIVATIONS, propagate

import cntgraph as cg
from cntgraph.core.errors import (
    CoverageError,
    CoverageWarning,
    FormatError,
    InputShapeError,
    ParameterError,
    TraceError,
)
from cntgraph.network.blocks import TRANSFORMS

SEEDS = range(20)


@pytest.fixture
def precise():
    """Let JAX compute in float64."""
    with jax.enable_x64(True):
        yield


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 0)


def outputs_of(net, values):
    return np.concatenate(
        [values[layer.name].reshape(-1) for layer in net.layers if layer.is_output]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_that_decides_an_adapter(seed, precise):
    model, variables, x = random_flax(seed)
    expected, calls = record(model, variables, x)
    compared = 0
    for norm in ("fold", "keep"):
        net = cg.load(model.apply, params=variables, example_input=x, norm=norm, strict=True)
        before, after = propagate(net, channels_first(x[0]))
        np.testing.assert_allclose(outputs_of(net, after), np.ravel(expected), rtol=0, atol=1e-9)
        assert not net.coverage["status"].eq("skipped").any()
        for layer in net.layers:
            seen = calls.get(layer.name, [])
            if len(seen) == 1 and layer.activation and norm == "keep":
                ours = before[layer.name].ravel()
                np.testing.assert_allclose(ours, seen[0].ravel(), rtol=0, atol=1e-9)
                compared += 1
    assert compared


def test_a_plain_number_is_an_input_as_an_array_is():
    params = {"w": jnp.ones((3, 2))}

    def scaled(params, x, n):
        return (x @ params["w"]) * jnp.where(n > 2, 2.0, 1.0)

    x = np.ones((1, 3), np.float32)
    for batched in (True, False):
        nets = [cg.load(scaled, params=params, example_input=(x, n), batched=batched)
                for n in (3, np.asarray(3))]  # fmt: skip
        assert [*nets[0].layers] == [*nets[1].layers]
        strengths = [cg.node_strength(net, edges="all") for net in nets]
        np.testing.assert_array_equal(*strengths)


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_measures_of_random_networks_are_those_of_their_graphs(seed):
    model, variables, x = random_flax(seed)
    net = cg.load(model.apply, params=variables, example_input=x)
    graph = cg.build_graph(net)
    for transform in TRANSFORMS:
        for edges in ("parametric", "all"):
            closed = cg.node_strength(net, transform=transform, edges=edges)
            summed = cg.node_strength(graph, transform=transform, edges=edges)
            assert np.allclose(closed, summed, rtol=1e-9, atol=1e-9)


# -- single operations, as functions of parameters and an input -----------------------------------


def weights(**shapes):
    return randomize({name: jax.ShapeDtypeStruct(s, np.float64) for name, s in shapes.items()})


def check(function, params, shape, *, kinds=None):
    """The values that the graph gives are those of the function; return the network."""
    with jax.enable_x64(True):
        x = np.random.default_rng(1).normal(size=(1, *shape))
        expected = function(params, x)
        net = cg.load(function, params=params, example_input=x, strict=True)
        channels = net.layers[0].shape != shape
        _, after = propagate(net, np.moveaxis(x[0], -1, 0) if channels else x[0])
        leaves = np.concatenate([np.ravel(y) for y in jax.tree_util.tree_leaves(expected)])
        np.testing.assert_allclose(np.sort(outputs_of(net, after)), np.sort(leaves), atol=1e-9)
        if kinds is not None:
            assert [layer.kind for layer in net.layers[1:]] == kinds
    return net


def dense(p, x, name="w"):
    return x @ p[name]


#: Functions of parameters ``w`` (6, 4) and an input of 6 features, and the layers they make.
ON_VECTORS = {
    "a product with a matrix": (dense, ["dense"]),
    "a bias": (lambda p, x: dense(p, x) + p["b"], ["dense"]),
    "a bias first": (lambda p, x: p["b"] + dense(p, x), ["dense"]),
    "a bias that is read elsewhere, too": (
        lambda p, x: (lambda h: jnp.concatenate([h + p["b"], h], 1))(dense(p, x)),
        ["dense", "scale"]),
    "two biases": (lambda p, x: (dense(p, x) + p["b"]) + p["b"], ["dense"]),
    "a constant scaling": (lambda p, x: 2.0 * dense(p, x) - 1.0, ["dense"]),
    "a matrix from the left": (lambda p, x: (p["w"].T @ x.T).T, ["dense"]),
    "vectors": (lambda p, x: jnp.einsum("bi,ij->bj", x, p["w"]), ["dense"]),
    "a scaled weight": (lambda p, x: x @ (p["w"] * p["b"]) / 3.0, ["dense"]),
    "a normalized weight": (
        lambda p, x: x @ (p["w"] / jnp.sqrt(jnp.square(p["w"]).sum(0) + 1e-3)), ["dense"]),
    "a standardized weight": (
        lambda p, x: x @ ((p["w"] - p["w"].mean(0)) / jnp.sqrt(p["w"].var(0) + 1e-3)), ["dense"]),
    "a low-rank update": (
        lambda p, x: x @ (p["w"] + 0.5 * p["w"][:, :2] @ p["w"][:2]), ["dense"]),
    "a weight by its length": (
        lambda p, x: x @ (p["w"] / (p["b"] @ p["w"].T @ p["w"] @ p["b"])), ["dense"]),
    "a repeated weight": (
        lambda p, x: x @ jnp.tile(p["w"], (1, 2)) + jnp.tile(p["b"], 2), ["dense"]),
    "a choice of weights": (
        lambda p, x: x @ jnp.where(p["w"].sum() != 0, p["w"], 0.0), ["dense"]),
    "parts of a weight": (
        lambda p, x: jnp.concatenate([x[:, :3] @ p["w"][:3], x[:, 3:] @ p["w"][3:, ::-1]], 1),
        ["dense", "dense"]),
    "a stack of weights": (
        lambda p, x: x @ jnp.stack([p["w"][:, 1], 2.0 * p["w"][:, 0]], axis=1), ["dense"]),
    "a stack of vectors": (
        lambda p, x: jnp.stack([x[:, 4:], dense(p, x)[:, :2]], 2).reshape(-1, 4) @ p["w"][:4],
        ["dense", "dense"]),
    "parts along an axis": (
        lambda p, x: sum(jnp.unstack(dense(p, x), axis=1)[1:3]), None),
    "a tied weight": (lambda p, x: jnp.tanh(dense(p, x)) @ p["w"].T, ["dense", "dense"]),
    "a residual": (lambda p, x: x + jnp.tanh(dense(p, x)) @ p["w"].T, ["dense", "add"]),
    "a difference": (lambda p, x: x - jnp.tanh(dense(p, x)) @ p["w"].T,
                     ["dense", "dense", "add"]),
    "the same twice": (lambda p, x: (lambda h: h + h)(dense(p, x)), ["dense", "add"]),
    "a scaling of every unit": (lambda p, x: dense(p, x) * p["b"], ["dense"]),
    "a scaling of the input": (lambda p, x: (x * 2.0 - 1.0) @ p["w"], ["scale", "dense"]),
    "a shift of a residual": (
        lambda p, x: jnp.tanh(dense(p, x) + p["b"] + (-(x @ p["w"])) * 0.5), ["add"]),
    "a checkpoint": (jax.checkpoint(lambda p, x: jnp.tanh(dense(p, x)) @ p["w"].T),
                     ["dense", "dense"]),
    "a call": (jax.jit(lambda p, x: nn.relu(dense(p, x))), ["dense"]),
    "a dictionary": (lambda p, x: {"y": dense(p, x), "z": x[:, :1] @ p["w"][:1]},
                     ["dense", "dense"]),
    "a choice that is constant": (
        lambda p, x: lax.cond(True, lambda: dense(p, x), lambda: x[:, :4]), ["dense"]),
    "a loop that is known": (
        lambda p, x: lax.fori_loop(0, 3, lambda k, h: jnp.tanh(h @ p["w"] @ p["w"].T), x),
        ["dense"] * 6),
    "a loop until a constant": (
        lambda p, x: lax.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, jnp.tanh(s[1] @ p["v"][0])), (0, x))[1],
        ["dense"] * 2),
    "a branch that is constant": (
        lambda p, x: lax.switch(
            jnp.array([0, 2])[1], [lambda y: y, lambda y: -y, lambda y: y @ p["v"][1]], x),
        ["dense"]),
    "a loop over layers": (
        lambda p, x: lax.scan(lambda h, v: (jnp.tanh(h @ v), h), x, p["v"])[0], ["dense"] * 3),
    "a cumulative sum": (lambda p, x: jnp.cumsum(dense(p, x), axis=1), ["dense", "pool"]),
    "a weighted mean": (lambda p, x: dense(p, x).mean(1), ["dense", "pool"]),
    "a sum": (lambda p, x: 0.5 * dense(p, x).sum(1, keepdims=True) + 1.0,
              ["dense", "pool", "scale"]),
    "a maximum": (lambda p, x: dense(p, x).max(1), ["dense", "pool"]),
    "a reciprocal": (lambda p, x: 2.0 / jnp.exp(dense(p, x)), None),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _more_activations(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "exp", np.exp)
    monkeypatch.setitem(ACTIVATIONS, "reciprocal", lambda x: 1.0 / x)


@pytest.mark.parametrize("name", ON_VECTORS)
def test_operations_on_vectors(name):
    function, kinds = ON_VECTORS[name]
    params = weights(w=(6, 4), b=(4,), v=(3, 6, 6))
    read = {key: params[key] for key in params if _reads(function, params, key)}
    check(function, read, (6,), kinds=kinds)


def _reads(function, params, key):
    try:
        jax.eval_shape(function, {k: v for k, v in params.items() if k != key}, np.ones((1, 6)))
    except KeyError:
        return True
    return False


#: Functions of a kernel ``k`` (3, 3, 2, 4) and images of (5, 6, 2).
def conv(p, x, strides=(1, 1), padding="SAME", **options):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, p["k"], strides, padding, dimension_numbers=numbers,
                                    **options)  # fmt: skip


ON_IMAGES = {
    "an average, padding left out": lambda x: _average(x, "SAME") / _average(
        jnp.ones_like(x), "SAME"),
    "an average, padding counted": lambda x: _average(x, "SAME") / 6.0,
    "an average that is shifted": lambda x: _average(x, "VALID") / 6.0 - 1.0,
    "a sum of windows": lambda x: _average(x, "VALID") / 3.0,
    "a sum of windows, as it is": lambda x: jnp.abs(_average(x, "VALID")),
    "a largest of dilated windows": lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID", window_dilation=(1, 2, 1, 1)),
    "windows over one axis": lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 1, 2, 1), (1, 1, 2, 1), "VALID"),
    "windows over an input with gaps": lambda x: lax.reduce_window(
        x, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "VALID", base_dilation=(1, 2, 3, 1)),
    "a mean over the height": lambda x: x.mean(1),
    "a mean over channels": lambda x: x.mean(-1),
    "a crop, a flip, a transpose": lambda x: x[:, 1:, ::-1].swapaxes(1, 2),
    "negative padding": lambda x: lax.pad(x, 0.0, [(0, 0, 0), (-1, 2, 0), (1, -2, 1), (0, 0, 0)]),
    "a gather": lambda x: x[:, jnp.array([0, 0, 3]), :, jnp.array([1, 2, 2])],
    "a write": lambda x: x.at[:, 1].set(x[:, 0]),
    "a dynamic slice": lambda x: lax.dynamic_update_slice(x, x[:, :2], (0, 9, 1, 0)),
    "pixels to channels": lambda x: x.reshape(1, 5, 3, 2, 4).transpose(0, 1, 2, 4, 3),
    "nearest neighbors": lambda x: jax.image.resize(x, (1, 10, 9, 4), "nearest"),
    "linear interpolation": lambda x: jax.image.resize(x, (1, 10, 9, 4), "linear"),
    "tiles": lambda x: jnp.tile(x, (1, 2, 1, 3)),
    "a roll": lambda x: jnp.roll(x, 2, axis=2),
    "a triangle of a mask": lambda x: jnp.where(jnp.tri(5, 6)[:, :, None] > 0, x, 0.0),
}  # fmt: skip


def _average(x, padding):
    return lax.reduce_window(x, 0.0, lax.add, (1, 2, 3, 1), (1, 1, 2, 1), padding)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_operations_on_images(name):
    # The convolution after it sees channels and positions; the one before gives them a layer.
    params = weights(k=(3, 3, 2, 4), out=(1, 1, 1, 3))

    def function(p, x):
        y = ON_IMAGES[name](jnp.tanh(conv(p, x)))
        return y.reshape(1, -1, 1, 1) * 0.5 @ p["out"][0, 0]

    check(function, params, (5, 6, 2))


def test_an_input_has_its_channels_first():
    net = check(lambda p, x: conv(p, (x - 0.5) / 0.2), weights(k=(3, 3, 2, 4)), (5, 6, 2))
    assert [layer.shape for layer in net.layers] == [(2, 5, 6), (2, 5, 6), (4, 5, 6)]
    one = check(lambda p, x: conv(p, x), weights(k=(3, 3, 1, 4)), (5, 6, 1))
    assert one.layers[0].shape == (1, 5, 6)


def test_names_are_those_of_modules_and_functions():
    params = {"params": {"first": weights(kernel=(6, 4))}}
    net = check(lambda p, x: nn.relu(dense(p["params"]["first"], x, "kernel")), params, (6,))
    assert [layer.name for layer in net.layers] == ["x", "first"]
    assert net.coverage.loc["params.first.kernel", "block"] == "first"
    plain = check(lambda p, x: nn.relu(dense(p, x)), weights(w=(6, 4)), (6,))
    assert [layer.name for layer in plain.layers] == ["x", "w"]


# -- activations ----------------------------------------------------------------------------------

NAMED = {
    "relu": (nn.relu, lambda x: jnp.maximum(x, 0), lambda x: jnp.where(x > 0, x, 0)),
    "gelu": (nn.gelu, lambda x: nn.gelu(x, approximate=False)),
    "silu": (nn.silu, lambda x: x * nn.sigmoid(x), lambda x: x / (1 + jnp.exp(-x))),
    "sigmoid": (nn.sigmoid, lambda x: 1 / (1 + jnp.exp(-x)), lambda x: 0.5 + 0.5 * jnp.tanh(x / 2)),
    "tanh": (jnp.tanh,),
    "softplus": (nn.softplus, lambda x: jnp.log(1 + jnp.exp(x)), lambda x: nn.softplus(2 * x) / 2),
    "leaky_relu": (nn.leaky_relu, lambda x: jnp.where(x > 0, x, 0.3 * x)),
    "elu": (nn.elu, lambda x: nn.elu(x, 0.5)),
    "celu": (lambda x: nn.celu(x, 2.0),),
    "selu": (nn.selu,),
    "hardtanh": (nn.hard_tanh, nn.relu6),
    "clamp": (lambda x: jnp.clip(x, -2, 1),),
    "hardsigmoid": (nn.hard_sigmoid,),
    "hardswish": (nn.hard_swish,),
    "mish": (nn.mish,),
    "log_sigmoid": (nn.log_sigmoid,),
    "softsign": (nn.soft_sign,),
    "squareplus": (nn.squareplus,),
    "sparse_plus": (nn.sparse_plus,),
    "abs": (jnp.abs,),
    "exp": (jnp.exp,),
    "log": (jnp.log,),
    "rsqrt": (lax.rsqrt, lambda x: 1 / jnp.sqrt(x)),
    "sin": (jnp.sin,),
    "pow": (jnp.square, lambda x: x**2, lambda x: x**3, lambda x: x * x),
    "ceil": (jnp.ceil,),
    "where": (lambda x: jnp.where(x > 0, 1.0, 0.0), lambda x: (x > 1).astype(jnp.float32)),
    "softmax": (nn.softmax, lambda x: jnp.exp(x) / jnp.exp(x).sum(1, keepdims=True),
                lambda x: jnp.exp(nn.log_softmax(x))),
    "log_softmax": (nn.log_softmax, lambda x: x - nn.logsumexp(x, axis=1, keepdims=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_activations_are_known_however_they_are_written(name):
    for function in NAMED[name]:
        net = cg.load(lambda p, x, f=function: f(x @ p["w"] + p["b"]), input_shape=(6,),
                      params=weights(w=(6, 4), b=(4,)), strict=True)  # fmt: skip
        assert [layer.activation for layer in net.layers] == ["", name]


def test_a_learned_coefficient_is_no_weight():
    def function(p, x):
        y = x @ p["w"]
        return jnp.where(y >= 0, y, p["a"] * y)

    net = cg.load(function, params=weights(w=(6, 4), a=()), input_shape=(6,), strict=True)
    assert net.coverage.loc["a", "reason"] == "a coefficient of the activation prelu, not a weight"
    assert [layer.activation for layer in net.layers] == ["", "prelu"]
    scaled = check(lambda p, x: jnp.tanh(p["a"] * (x @ p["w"])), weights(w=(6, 4), a=()), (6,))
    assert [layer.activation for layer in scaled.layers] == ["", "tanh"]
    bounded = cg.load(lambda p, x: jnp.tanh(jnp.maximum(x @ p["w"], p["a"])),
                      params=weights(w=(6, 4), a=()), input_shape=(6,), strict=True)  # fmt: skip
    assert (
        bounded.coverage.loc["a", "reason"] == "a coefficient of the activation clamp, not a weight"
    )
    assert [layer.activation for layer in bounded.layers] == ["", "clamp+tanh"]


def test_what_follows_an_activation_is_no_part_of_it():
    net = check(lambda p, x: (2.0 * nn.silu(dense(p, x)) - 1.0) @ p["v"],
                weights(w=(6, 4), v=(4, 3)), (6,))  # fmt: skip
    assert [layer.activation for layer in net.layers] == ["", "silu", "", ""]
    nested = check(lambda p, x: jnp.tanh(nn.relu(dense(p, x))), weights(w=(6, 4)), (6,))
    assert nested.layers[1].activation == "relu+tanh"


# -- errors, options, what is left out ------------------------------------------------------------


def test_what_cannot_be_followed_is_cut_and_named():
    cases = {
        "draws random numbers": lambda p, x: x @ p * jax.random.bernoulli(jax.random.key(0), 0.5,
                                                                         (x.shape[0], 4)),
        "mixes the samples": lambda p, x: x @ p - (x @ p).mean(0),
        "differs from step to step": lambda p, x: lax.scan(
            lambda h, x: (jnp.sin(h) * x[0] + x[1], None), x @ p,
            (jnp.arange(2.0), jnp.stack([x @ p] * 2)))[0],
        "depends on the data": lambda p, x: lax.while_loop(
            lambda h: h.sum() > 0, lambda h: h - 1, x @ p),
        "by way of gt": lambda p, x: (x @ p > jnp.roll(x @ p, 1, 1)).astype(float) @ p.T,
        "in which order others": lambda p, x: lax.sort((x @ p, x @ p), num_keys=1)[1],
        "of complex numbers": lambda p, x: jnp.sin(jnp.fft.rfft(x @ p)).real,
    }  # fmt: skip
    for reason, function in cases.items():
        with pytest.warns(CoverageWarning, match=reason):
            net = cg.load(function, params=np.ones((6, 4), np.float32), input_shape=(6,))
        assert any(layer.kind.startswith("unknown") for layer in net.layers)
        with pytest.raises(CoverageError, match=reason):
            cg.load(function, params=np.ones((6, 4)), input_shape=(6,), strict=True)


def test_the_largest_of_the_outputs_may_be_looked_for():
    net = cg.load(lambda p, x: jnp.argmax(x @ p["w"], axis=-1), params=weights(w=(6, 4)),
                  input_shape=(6,), strict=True)  # fmt: skip
    assert [layer.is_output for layer in net.layers] == [False, True]
    assert net.coverage.loc["argmax", "reason"] == "the result of argmax is no neuron"


def test_unused_parameters_are_named():
    with pytest.warns(CoverageWarning, match="extra: not used"):
        net = cg.load(dense, params=weights(w=(6, 4), extra=(3,)), input_shape=(6,))
    assert net.coverage.loc["extra", "status"] == "skipped"


def test_a_function_of_weights_that_is_no_recipe_is_frozen():
    with pytest.warns(CoverageWarning, match="used as a constant"):
        net = cg.load(lambda p, x: x @ jnp.arctan(p), params=np.ones((6, 4)), input_shape=(6,))
    assert np.allclose(net.blocks[0].weight.read(), np.arctan(1.0))
    assert not net.blocks[0].parametric


def test_an_index_out_of_bounds_is_no_entry():
    rows = jnp.array([0, 9, -1])
    with pytest.warns(CoverageWarning, match="used as a constant, by way of gather"):
        net = cg.load(lambda p, x: x @ jnp.take(p, rows, axis=1, fill_value=2.0),
                      params=np.arange(24.0).reshape(6, 4), input_shape=(6,))  # fmt: skip
    assert net.blocks[0].weight.read()[:, 0].tolist() == [0.0, 2.0, 3.0]


def test_settings_are_given_by_partial():
    def apply(params, x, *, train):
        assert not train
        return x @ params

    net = cg.load(functools.partial(apply, train=False), params=np.ones((6, 4)), input_shape=(6,))
    assert net.n_edges == 24


def test_shapes_without_values_are_enough_to_describe():
    shapes = {"w": jax.ShapeDtypeStruct((6, 4), jnp.bfloat16)}
    net = cg.load(dense, params=shapes, input_shape=(6,))
    assert len(cg.describe(net)) == 2
    assert net.parameters["w"].dtype == "bfloat16"
    with pytest.raises(ParameterError, match="a shape and no values"):
        cg.node_strength(net)


def test_parameters_keep_their_stored_type():
    values = jax.random.normal(jax.random.key(0), (6, 4), jnp.bfloat16)
    net = cg.load(dense, params={"w": values}, input_shape=(6,))
    assert net.parameters["w"].dtype == "bfloat16"
    assert (net.blocks[0].weight.read() == np.asarray(values, np.float32).T).all()


def test_errors_say_what_was_expected():
    with pytest.raises(InputShapeError, match="example_input"):
        cg.load(dense, params=weights(w=(6, 4)))
    with pytest.raises(TraceError, match=r"shape \(1, 5\)"):
        cg.load(dense, params=weights(w=(6, 4)), input_shape=(5,))
    with pytest.raises(FormatError, match="unknown option"):
        cg.load(dense, params=weights(w=(6, 4)), input_shape=(6,), parameters={})
    with pytest.raises(FormatError, match="known framework"):
        cg.load(object())
    with pytest.raises(FormatError, match="known framework"):
        cg.load(dict)


def test_several_inputs_and_nested_ones():
    def function(p, x, other):
        return x["a"] @ p + other @ p

    example = ({"a": np.ones((2, 6))}, np.ones((2, 6)))
    net = cg.load(function, params=np.ones((6, 4)), example_input=example)
    assert [layer.name for layer in net.layers if layer.is_input] == ["x.a", "other"]
    assert net.n_edges == 48
