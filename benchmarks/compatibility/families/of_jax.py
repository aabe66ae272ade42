"""Flax and Equinox: networks as their examples and tutorials write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..case import Case, Made


def cases() -> Iterator[Case]:
    """Yield every network below."""
    for name, make in _LINEN.items():
        steps = {"unroll": 4} if make[0] in _RECURRENT else {}
        yield Case(f"flax {name}", partial(_linen, *make, **steps))
    for name, make in _NNX.items():
        yield Case(f"nnx {name}", partial(_nnx, *make))
    for name, make in _EQUINOX.items():
        yield Case(f"equinox {name}", partial(_equinox, *make))


def _image(*shape: int) -> Any:
    return jnp.asarray(np.random.default_rng(0).random(shape, np.float32))


def _linen(make: Callable[[], nn.Module], shape: tuple[int, ...], **options: Any) -> Made:
    module, x = make(), _image(*shape)
    params = module.init(jax.random.key(0), x)
    params = jax.tree.map(_unlike_start, params)
    y = np.asarray(module.apply(params, x))
    return Made(
        module.apply,
        x,
        {"params": params, **options},
        "end to end",
        lambda: (np.asarray(x)[0], _first(y)),
    )


def _nnx(make: Callable[[], Any], shape: tuple[int, ...]) -> Made:
    module, x = make(), _image(*shape)
    module.eval()
    y = np.asarray(module(x))
    return Made(module, x, {}, "end to end", lambda: (np.asarray(x)[0], _first(y)))


def _equinox(make: Callable[[], Any], shape: tuple[int, ...]) -> Made:
    module, x = eqx.nn.inference_mode(make()), _image(*shape)
    y = np.asarray(jax.vmap(module)(x))
    return Made(module, x, {}, "end to end", lambda: (np.asarray(x[0]), y[0]))


def _unlike_start(leaf: Any) -> Any:
    """Return numbers changed a little: gains of one and shifts of zero would hide a lot."""
    noise = np.random.default_rng(leaf.size).random(leaf.shape, np.float32)
    return leaf + 0.1 * noise


def _first(values: Any) -> Any:
    """Return the first sample, channels first."""
    sample = np.asarray(values)[0]
    return np.moveaxis(sample, -1, 0) if sample.ndim > 1 else sample


# -- Flax, linen ---------------------------------------------------------------------------------


class Digits(nn.Module):
    """The convolutional network of Flax's MNIST example."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.avg_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.avg_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(16)(x.reshape((x.shape[0], -1))))
        return nn.Dense(10)(x)


class Residual(nn.Module):
    """A residual network with batch norms, as in Flax's ImageNet example."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        norm = partial(nn.BatchNorm, use_running_average=True)
        x = nn.relu(norm()(nn.Conv(6, (3, 3), strides=(2, 2), use_bias=False)(x)))
        for features in (6, 8):
            y = nn.relu(norm()(nn.Conv(features, (3, 3), use_bias=False)(x)))
            y = norm()(nn.Conv(features, (3, 3), use_bias=False)(y))
            if x.shape != y.shape:
                x = norm()(nn.Conv(features, (1, 1), use_bias=False)(x))
            x = nn.relu(x + y)
        return nn.Dense(5)(jnp.mean(x, axis=(1, 2)))


class Encoder(nn.Module):
    """The encoder of a transformer."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(y, y)
        y = nn.Dense(16)(nn.LayerNorm()(x))
        return x + nn.Dense(x.shape[-1])(nn.gelu(y))


class Recurrent(nn.Module):
    """A recurrent layer over a sequence."""

    cell: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(3)(nn.RNN(self.cell(6))(x))


class UNet(nn.Module):
    """A small U-Net: transposed convolution and resizing."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        down = nn.relu(nn.Conv(4, (3, 3))(x))
        low = nn.relu(nn.Conv(8, (3, 3), strides=(2, 2))(down))
        up = nn.ConvTranspose(4, (2, 2), strides=(2, 2))(low)
        wide = jax.image.resize(low, (*down.shape[:-1], low.shape[-1]), "nearest")
        return nn.Conv(2, (1, 1))(jnp.concatenate([down, up, wide], -1))


class Autoencoder(nn.Module):
    """The decoder reads the mean of the code."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        hidden = nn.relu(nn.Dense(12)(x))
        return nn.sigmoid(nn.Dense(x.shape[-1])(nn.relu(nn.Dense(12)(nn.Dense(3)(hidden)))))


_RECURRENT = [partial(Recurrent, cell) for cell in (nn.SimpleCell, nn.LSTMCell, nn.GRUCell)]
_LINEN: dict[str, tuple[Any, ...]] = {
    "dense": (lambda: nn.Sequential([nn.Dense(8), nn.relu, nn.Dense(3)]), (2, 6)),
    "MNIST": (Digits, (2, 16, 16, 1)),
    "residual": (Residual, (2, 16, 16, 3)),
    "encoder": (Encoder, (2, 5, 8)),
    "simple RNN": (_RECURRENT[0], (2, 4, 5)),
    "LSTM": (_RECURRENT[1], (2, 4, 5)),
    "GRU": (_RECURRENT[2], (2, 4, 5)),
    "U-Net": (UNet, (2, 8, 8, 3)),
    "autoencoder": (Autoencoder, (2, 10)),
}

# -- Flax, nnx -----------------------------------------------------------------------------------


class NnxDigits(nnx.Module):
    """The convolutional network of the nnx tutorial."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.conv2 = nnx.Conv(4, 8, (3, 3), rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.linear = nnx.Linear(8 * 16, 5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.avg_pool(nnx.relu(self.norm(self.conv1(x))), (2, 2), strides=(2, 2))
        x = nnx.avg_pool(nnx.relu(self.dropout(self.conv2(x))), (2, 2), strides=(2, 2))
        return self.linear(x.reshape(x.shape[0], -1))


class NnxAttention(nnx.Module):
    """Attention and a gated layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
        self.norm = nnx.RMSNorm(8, rngs=rngs)
        self.up, self.gate = nnx.Linear(8, 12, rngs=rngs), nnx.Linear(8, 12, rngs=rngs)
        self.down = nnx.Linear(12, 8, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = x + self.attention(self.norm(x))
        return x + self.down(self.up(x) * nnx.silu(self.gate(x)))


_NNX: dict[str, tuple[Any, ...]] = {
    "MNIST": (lambda: NnxDigits(nnx.Rngs(0)), (2, 16, 16, 1)),
    "attention": (lambda: NnxAttention(nnx.Rngs(0)), (2, 5, 8)),
}

# -- Equinox -------------------------------------------------------------------------------------


class EqxDigits(eqx.Module):
    """The convolutional network of Equinox's MNIST example, without its log-softmax."""

    layers: list[Any]

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 3)
        self.layers = [eqx.nn.Conv2d(1, 3, 4, key=keys[0]), eqx.nn.MaxPool2d(2, 2), jax.nn.relu,
                       jnp.ravel, eqx.nn.Linear(3 * 12 * 12, 16, key=keys[1]), jax.nn.sigmoid,
                       eqx.nn.Linear(16, 10, key=keys[2])]  # fmt: skip

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class EqxRecurrent(eqx.Module):
    """The recurrent network of Equinox's example: a cell that is scanned."""

    cell: eqx.nn.GRUCell
    linear: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        self.cell = eqx.nn.GRUCell(3, 5, key=key)
        self.linear = eqx.nn.Linear(5, 2, key=key)

    def __call__(self, xs: Any) -> Any:
        final, _ = jax.lax.scan(lambda h, x: (self.cell(x, h), None), jnp.zeros(5), xs)
        return self.linear(final)


_KEY = jax.random.key(0)
_EQUINOX: dict[str, tuple[Any, ...]] = {
    "MLP": (lambda: eqx.nn.MLP(6, 3, 8, 2, key=_KEY), (2, 6)),
    "MNIST": (lambda: EqxDigits(_KEY), (2, 1, 28, 28)),
    "GRU": (lambda: EqxRecurrent(_KEY), (2, 4, 3)),
    "attention": (lambda: _Self(_KEY), (2, 5, 8)),
}


class _Self(eqx.Module):
    attention: eqx.nn.MultiheadAttention

    def __init__(self, key: Any) -> None:
        self.attention = eqx.nn.MultiheadAttention(2, 8, key=key)

    def __call__(self, x: Any) -> Any:
        return self.attention(x, x, x)
