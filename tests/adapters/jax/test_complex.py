"""Complex numbers and Fourier transforms of JAX, against its own values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning

RNG = np.random.default_rng(5)
X = RNG.normal(size=(1, 5, 4)).astype(np.float32)


def random(*shape, dtype="float32"):
    made = RNG.normal(size=shape)
    return jnp.asarray(made + 1j * RNG.normal(size=shape) if dtype == "complex64" else made, dtype)


def check(function, **params):
    """What the graph gives is what the function computes, read by a dense layer at the end."""
    params["a"] = random(4, 6)

    def read(p, x):
        y = function(p, x @ p["a"])
        parts = [y.real, y.imag] if jnp.iscomplexobj(y) else [y]
        return jnp.concatenate([part.reshape(len(x), -1) for part in parts], 1) @ p["end"]

    made = jax.eval_shape(lambda p, x: function(p, x @ p["a"]), params, X)
    parts = 2 if made.dtype == "complex64" else 1
    params["end"] = random(parts * int(np.prod(made.shape[1:])), 3)
    net = cg.load(read, params=params, example_input=X, strict=True)
    _, after = propagate(net, X[0])
    (end,) = [layer.name for layer in net.layers if layer.is_output]
    np.testing.assert_allclose(after[end], read(params, X)[0], rtol=1e-4, atol=1e-4)
    return net


def spectral(p, h):
    """A layer of a Fourier neural operator."""
    found = jnp.fft.rfft(h, axis=1)
    made = jnp.einsum("bxi,iox->bxo", found[:, :2], p["w"])
    made = jnp.zeros_like(found).at[:, :2].set(made)
    return jax.nn.relu(jnp.fft.irfft(made, n=5, axis=1) + h)


def kernel(p, h):
    """A convolution with a kernel of complex exponentials, as of a state space."""
    times = jnp.exp(p["w"][:, 0, :1] * jnp.arange(5.0)) / p["w"][:, 1, 1:2]
    return h.transpose(0, 2, 1) * (times * p["w"][:, 1, :1]).real


FUNCTIONS = {
    "a neural operator": (spectral, (6, 6, 2)),
    "exponentials": (kernel, (6, 2, 5)),
    "in two dimensions": (lambda p, h: jnp.fft.irfft2(
        jnp.fft.rfft2(h, axes=(1, 2), norm="ortho") * p["w"], s=(5, 6), axes=(1, 2)), (5, 4)),
    "there and back": (lambda p, h: jnp.fft.ifft(jnp.fft.fft(h, axis=1) / (2 - 1j), axis=1), None),
    "power": (lambda p, h: jnp.abs(jnp.fft.rfft(h, axis=1).conj()), None),
    "chosen": (lambda p, h: jnp.where(
        jnp.arange(6) > 2, h * 1j, jnp.concatenate([h[..., 3:], h[..., :3]], -1) + p["w"]), (6,)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_value_is_that_of_jax(name, tmp_path):
    function, shape = FUNCTIONS[name]
    params = {} if shape is None else {"w": random(*shape, dtype="complex64")}
    net = check(function, **params)
    if shape is not None:
        assert net.coverage.loc["w", ["status", "shape"]].to_list() == ["included", (*shape, 2)]
        cg.save(net, tmp_path / "net.h5")
        kept = cg.node_strength(cg.load(tmp_path / "net.h5"))
        np.testing.assert_allclose(kept, cg.node_strength(net), rtol=1e-6)


def test_a_complex_input_is_a_pair_of_nodes():
    z, w = random(1, 4, dtype="complex64"), random(4, 3)

    def function(p, z):
        return (jnp.fft.ifft(z) * (2 + 1j)).imag @ p["w"]

    net = cg.load(function, params={"w": w}, example_input=z, strict=True)
    assert net.layers[0].shape == (4, 2)
    _, after = propagate(net, np.stack([z.real, z.imag], -1))
    (end,) = [layer.name for layer in net.layers if layer.is_output]
    np.testing.assert_allclose(after[end], function({"w": w}, z)[0], rtol=1e-4, atol=1e-4)


def test_what_is_no_recipe_is_a_constant_that_says_so():
    w = random(4, 3, dtype="complex64")
    with pytest.warns(CoverageWarning, match="w: used as a constant, by way of sin"):
        net = cg.load(lambda p, x: x[:, 0] @ jnp.sin(p["w"]).real, params={"w": w}, example_input=X)
    (block,) = [b for b in net.blocks if b.kind == "dense"]
    found = block.to_csr().toarray()
    np.testing.assert_allclose(found[found.any(1)], jnp.sin(w).real, rtol=1e-5)


def test_what_has_no_edges_is_cut_by_name():
    with pytest.warns(CoverageWarning, match="sin: of complex numbers"):
        cg.load(lambda x: jnp.sin(jnp.fft.rfft(x)).real * 2.0, example_input=X)
