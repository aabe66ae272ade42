"""Functions of JAX that run on data, and the same network in all frameworks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax

import cntgraph as cg
from cntgraph.adapters.registry import execution
from cntgraph.core.errors import FormatError, InputShapeError
from tests.oracles.executed import assert_alike, check_batches, check_strengths, in_order, unknown
from tests.oracles.executed_models import options


def mlp(params, x):
    h = jnp.tanh(x @ params["w"] + params["b"])
    return jax.nn.softmax(h @ params["v"] + params["c"])


def convolutions(params, x):
    """Channels last, a batch norm, a branch that is added, a pooling."""
    dims = lax.conv_dimension_numbers(x.shape, params["first"].shape, ("NHWC", "HWIO", "NHWC"))
    y = lax.conv_general_dilated(x, params["first"], (1, 1), "SAME", dimension_numbers=dims)
    y = jax.nn.relu((y - params["mean"]) / jnp.sqrt(params["var"] + 1e-5) * params["g"])
    z = lax.conv_general_dilated(y, params["second"], (1, 1), "SAME", dimension_numbers=dims)
    y = jax.nn.silu(y + z + params["bias"])
    y = lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return y.reshape(len(y), -1) @ params["head"]


def attention(params, x):
    """A layer norm, attention, a GELU; positions and samples on one axis."""
    n, t, d = x.shape
    y = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    y = y * params["g"] + params["s"]
    q, k, v = ((y.reshape(n * t, d) @ params[name]).reshape(n, t, d) for name in "qkv")
    x = x + jax.nn.softmax(q @ k.transpose(0, 2, 1) * 0.3) @ v
    return x + jax.nn.gelu(x @ params["up"]) @ params["down"]


def some(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


MODELS = {
    "mlp": (mlp, {"w": some(4, 6), "b": some(6), "v": some(6, 3), "c": some(3)}, (4,)),
    "convolutions": (
        convolutions,
        {"first": some(3, 3, 3, 4), "second": some(3, 3, 4, 4), "mean": some(4), "g": some(4),
         "var": abs(some(4)) + 0.5, "bias": some(4, seed=1), "head": some(36, 2)},
        (6, 6, 3),
    ),
    "attention": (
        attention,
        {"g": some(8), "s": some(8, seed=1), "up": some(8, 16), "down": some(16, 8),
         **{name: some(8, 8, seed=k) for k, name in enumerate("qkv")}},
        (5, 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_layers_receive_is_what_their_edges_hand_on(name):
    function, params, shape = MODELS[name]
    given, x = {"params": params, "example_input": some(1, *shape)}, some(5, *shape)
    run = execution(function, **given)
    assert [*run.net.layers] == [*cg.load(function, **given).layers]
    values = check_batches(run, (x,))
    assert check_strengths(run.net, values) >= 2
    assert not unknown(run, values)
    wanted = np.asarray(function(params, x)).reshape(5, -1)
    (last,) = (values[layer.name] for layer in run.net.layers if layer.is_output)
    atol = 1e-5 * np.abs(wanted).max()  # float32: what cancels is as exact as what it is made of
    assert np.allclose(np.sort(last.activation, 1), np.sort(wanted, 1), atol=atol)


def test_the_same_network_shows_the_same_everywhere():
    torch.manual_seed(0)
    model, given, x = options("mlp", 4)
    there = execution(model, **given)
    first, second = (module for module in model if hasattr(module, "weight"))
    arrays = {"w": first.weight.T, "b": first.bias, "v": second.weight.T, "c": second.bias}
    params = {key: value.detach().numpy() for key, value in arrays.items()}
    here = execution(mlp, params=params, input_shape=(4,))
    pair = ((run, run.run((x,))) for run in (here, there))
    assert assert_alike(*(in_order(run, values) for run, values in pair)) == 6


def test_loops_show_what_they_yield():
    def recurrent(params, x):
        def step(h, now):
            h = jnp.tanh(now @ params["w"] + h @ params["u"])
            return h, h

        _, states = lax.scan(step, jnp.zeros((x.shape[0], 3)), x.transpose(1, 0, 2))
        return states[-1] @ params["v"]

    params, x = {"w": some(4, 3), "u": some(3, 3), "v": some(3, 2)}, some(3, 5, 4)
    run = execution(recurrent, params=params, example_input=x[:1], unroll=5)
    values = check_batches(run, (x,))
    (last,) = (values[layer.name] for layer in run.net.layers if layer.is_output)
    assert np.allclose(last.strength, recurrent(params, x), atol=1e-5)


def test_modules_that_take_one_sample_are_run_one_by_one():
    import equinox as eqx

    model = eqx.nn.MLP(4, 2, 5, 1, key=jax.random.PRNGKey(0))
    run, x = execution(model, example_input=some(1, 4)), some(3, 4)
    values = check_batches(run, (x,))
    assert check_strengths(run.net, values) == 2
    (last,) = (values[layer.name] for layer in run.net.layers if layer.is_output)
    assert np.allclose(last.strength, jax.vmap(model)(x), atol=1e-5)


def test_lower_precision_is_computed_as_the_model_says():
    def half(params, x):
        return jax.nn.relu((x.astype(jnp.bfloat16) @ params["w"] * 2).astype(jnp.float32))

    params, x = {"w": jnp.asarray(some(4, 3), jnp.bfloat16)}, some(2, 4)
    values = execution(half, params=params, input_shape=(4,)).run((x,))
    (found,) = (v.activation for name, v in values.items() if v.activation.shape == (2, 3))
    assert found.dtype == np.float32
    assert np.allclose(found, half(params, x))


def test_what_does_not_fit_is_an_error():
    function, params, _ = MODELS["mlp"]
    run = execution(function, params=params, input_shape=(4,))
    with pytest.raises(InputShapeError, match="got 2"):
        run.run((some(2, 4), some(2, 4)))
    shapes = jax.tree_util.tree_map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params)
    with pytest.raises(FormatError, match="shapes alone"):
        execution(function, params=shapes, input_shape=(4,))
