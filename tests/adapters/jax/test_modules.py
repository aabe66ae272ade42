"""Modules of Flax and Equinox, and functions that have closed over their parameters."""

import equinox as eqx
import flax.linen as fl
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import nn

import cntgraph as cg
from cntgraph.adapters import jax as adapter
from cntgraph.core.errors import CoverageWarning, FormatError, TraceError

KEY = jax.random.key(0)


class Linen(fl.Module):
    @fl.compact
    def __call__(self, x, train=False):
        x = fl.Conv(4, (3, 3), name="conv")(x)
        x = fl.relu(fl.BatchNorm(not train, name="norm")(x))
        return fl.Dense(3, name="fc")(fl.Dropout(0.5, deterministic=not train)(x.mean((1, 2))))


class Nnx(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.fc = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(x.mean((1, 2))))


class Equinox(eqx.Module):
    conv: eqx.nn.Conv2d
    fc: eqx.nn.Linear

    def __init__(self):
        self.conv, self.fc = (
            eqx.nn.Conv2d(2, 4, 3, padding=1, key=KEY),
            eqx.nn.Linear(4, 3, key=KEY),
        )

    def __call__(self, x):
        return self.fc(nn.relu(self.conv(x)).mean((1, 2)))


X = np.random.default_rng(0).normal(size=(2, 6, 5, 2)).astype(np.float32)
SHAPES = [(2, 6, 5), (4, 6, 5), (4, 1, 1), (3,)]


def shapes(net):
    return [layer.shape for layer in net.layers]


def test_linen_modules_bound_or_with_variables():
    model = Linen()
    variables = model.init(KEY, X)
    found = [
        cg.load(model.apply, params=variables, example_input=X, strict=True),
        cg.load(model, params=variables, example_input=X, strict=True),
        cg.load(model.bind(variables), example_input=X, strict=True),
        cg.load(model.bind(variables), input_shape=(2, 6, 5), strict=True),
        cg.load(model.bind(variables), input_shape=(6, 5, 2), strict=True),
        cg.load(lambda x: model.apply(variables, x), example_input=X, strict=True),
    ]
    strengths = [cg.node_strength(net) for net in found]
    for net, strength in zip(found, strengths, strict=True):
        assert shapes(net) == SHAPES
        assert [layer.name for layer in net.layers] == ["x", "conv", "mean", "fc"]
        assert net.coverage.loc["params.norm.scale", "status"] == "folded"
        assert net.coverage.loc["batch_stats.norm.mean", "kind"] == "buffer"
        np.testing.assert_array_equal(strength, strengths[0])
    with pytest.raises(FormatError, match="params=variables"):
        cg.load(model, example_input=X)
    with pytest.raises(FormatError, match="got both"):
        cg.load(model.bind(variables), params=variables, example_input=X)


def test_nnx_modules():
    model = Nnx()
    model.eval()
    net = cg.load(model, example_input=X, strict=True)
    assert shapes(net) == SHAPES
    assert net.coverage.loc["norm.scale", ["kind", "status"]].tolist() == ["parameter", "folded"]
    assert net.coverage.loc["norm.mean", ["kind", "status"]].tolist() == ["buffer", "folded"]
    assert net.coverage.loc["drop.rngs.count", "status"] == "skipped"
    model.train()
    with pytest.warns(CoverageWarning, match=r"random numbers|samples of a batch"):
        cg.load(model, example_input=X)


def test_equinox_modules_take_one_sample():
    model, images = Equinox(), np.moveaxis(X, -1, 1)
    found = [
        cg.load(model, example_input=images, strict=True),
        cg.load(eqx.filter_jit(model), example_input=images, strict=True),
        cg.load(jax.vmap(model), example_input=images, strict=True),
        cg.load(jax.jit(jax.vmap(model)), example_input=images, strict=True),
        cg.load(eqx.filter_jit(eqx.filter_vmap(model)), example_input=images, strict=True),
    ]
    for net in found:
        assert shapes(net) == SHAPES
        assert [layer.name for layer in net.layers] == ["x", "conv", "mean", "fc"]
        assert {"conv.weight", "conv.bias", "fc.weight", "fc.bias"} == set(net.parameters)
        strength = cg.node_strength(net)
        np.testing.assert_array_equal(strength, cg.node_strength(found[0]))


WEIGHT = jnp.ones((6, 4))


def of_globals(x):
    return x @ WEIGHT


def test_functions_that_have_closed_over_their_parameters():
    params = {"w": WEIGHT, "b": jnp.ones(4)}

    def inner(x):
        return x @ params["w"] + params["b"]

    net = cg.load(jax.jit(lambda x: nn.relu(inner(x))), input_shape=(6,), strict=True)
    assert set(net.parameters) == {"w", "b"}
    for function in (lambda x: x @ WEIGHT, lambda x: nn.relu(of_globals(x))):
        net = cg.load(function, input_shape=(6,), strict=True)
        assert set(net.parameters) == {"WEIGHT"}
    made = jnp.asarray(np.random.default_rng(0).normal(size=(6, 40)), jnp.float32)
    held = [lambda x: x @ made]
    unnamed = cg.load(lambda x: held[0](x), input_shape=(6,), strict=True)
    assert [p.shape for p in unnamed.parameters.values()] == [(6, 40)]
    assert unnamed.coverage["kind"].tolist() == ["buffer"]


class Plain:
    """Any object that can be called."""

    def __init__(self):
        self.layers = [(jnp.ones((6, 4)), jnp.ones(4))]

    def __call__(self, x):
        ((w, b),) = self.layers
        return x @ w + b


def test_objects_are_loaded_by_their_method():
    with pytest.raises(FormatError, match="known framework"):
        cg.load(Plain(), input_shape=(6,))
    net = cg.load(Plain().__call__, input_shape=(6,), strict=True)
    assert set(net.parameters) == {"layers.0.0", "layers.0.1"}


def test_partial_binds_parameters():
    function = jax.tree_util.Partial(lambda p, x: x @ p["w"], {"w": WEIGHT})
    net = cg.load(function, input_shape=(6,), strict=True)
    assert net.n_edges == 24


def test_live_modules_have_parameters_to_record():
    model = Nnx()
    found = adapter.parameters(model)
    assert {"conv.kernel", "conv.bias", "norm.mean"} <= set(found)
    assert (found["fc.kernel"].read() == np.asarray(model.fc.kernel.get_value())).all()
    for constant in (Equinox(), Linen(), lambda x: x):
        with pytest.raises(FormatError, match="change in training"):
            adapter.parameters(constant)


def test_a_recorder_follows_the_training_of_a_module(tmp_path):
    model = Nnx()
    model.eval()
    with cg.Recorder(tmp_path / "run.h5", model, X) as record:
        record(epoch=0)
        model.fc.kernel.set_value(model.fc.kernel.get_value() * 2.0)
        record(epoch=1)
    strengths = [cg.node_strength(net, bias=False)[-3:] for net in cg.open(tmp_path / "run.h5")]
    np.testing.assert_allclose(strengths[1], 2.0 * strengths[0], rtol=1e-6)


class Residual(fl.Module):
    """A block of a residual network."""

    width: int
    stride: int = 1

    @fl.compact
    def __call__(self, x):
        y = fl.Conv(self.width, (1, 1), use_bias=False)(x)
        y = fl.relu(fl.BatchNorm(True)(y))
        y = fl.Conv(self.width, (3, 3), self.stride, use_bias=False)(y)
        y = fl.relu(fl.BatchNorm(True)(y))
        y = fl.BatchNorm(True)(fl.Conv(4 * self.width, (1, 1), use_bias=False)(y))
        if x.shape != y.shape:
            x = fl.Conv(4 * self.width, (1, 1), self.stride, use_bias=False)(x)
            x = fl.BatchNorm(True)(x)
        return fl.relu(x + y)


class ResNet50(fl.Module):
    @fl.compact
    def __call__(self, x):
        x = fl.Conv(64, (7, 7), 2, [(3, 3), (3, 3)], use_bias=False)(x)
        x = fl.max_pool(fl.relu(fl.BatchNorm(True)(x)), (3, 3), (2, 2), [(1, 1), (1, 1)])
        for k, n in enumerate((3, 4, 6, 3)):
            for j in range(n):
                x = Residual(64 << k, 2 if k and not j else 1)(x)
        return fl.Dense(1000)(x.mean((1, 2)))


def test_a_large_model_is_followed_on_shapes_alone():
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.bfloat16)
    variables = jax.eval_shape(ResNet50().init, KEY, image)
    net = cg.load(ResNet50(), params=variables, example_input=image, strict=True)
    assert net.n_parameters == 25_557_032
    assert [layer.shape for layer in net.layers[:3]] == [
        (3, 224, 224),
        (64, 112, 112),
        (64, 56, 56),
    ]
    # 53 convolutions, a dense layer, two poolings, and the skips that nothing resizes.
    assert len(net.blocks) == 53 + 1 + 2 + 12
    assert len(cg.describe(net)) == len(net.blocks) + 1


def test_a_model_that_fails_says_so():
    with pytest.raises(TraceError, match="batch first"):
        cg.load(Equinox(), example_input=X[:, 0])
