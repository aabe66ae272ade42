"""The networks of the zoo: how each is drawn, where its weights lie in a row, what they compute.

A row has the parameters of a network as the Small CNN Zoo stores them, in TensorFlow's layout.
Rows are what is trained, and what is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise, product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array, lax
from numpy.typing import NDArray

GROUP = 16
"""Networks that are trained side by side; they share activation and optimizer."""

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
KINDS = tuple(product(ACTIVATIONS, ("sgd", "adam", "rmsprop")))
INITIALIZERS = ("glorot_normal", "he_normal", "orthogonal", "RandomNormal", "TruncatedNormal")
SCALED = ("RandomNormal", "TruncatedNormal")
"""Those with a deviation of their own; for the others it is not drawn."""

SHARES = (0.1, 0.25, 0.5, 1.0)
CHANNELS = (1, 16, 16, 16)
CLASSES = 10

#: What a normal distribution that is cut at two deviations has for a deviation.
_TRUNCATED = 0.87962566103423978


@dataclass(frozen=True)
class Settings:
    """What differs between networks, but for their random numbers; named as in the zoo."""

    activation: str
    optimizer: str
    learning_rate: float
    w_init: str
    init_std: float
    l2reg: float
    dropout: float
    train_fraction: float

    @property
    def config(self) -> dict[str, str | float]:
        """The columns of the zoo's table."""
        return {f"config.{name}": value for name, value in asdict(self).items()}


def draw(number: int, rng: np.random.Generator) -> Settings:
    """Draw the settings of a network, of the ranges that the protocol states."""

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    activation, optimizer = KINDS[number // GROUP % len(KINDS)]
    w_init = INITIALIZERS[rng.integers(len(INITIALIZERS))]
    return Settings(
        activation=activation,
        optimizer=optimizer,
        learning_rate=log_uniform(5e-4, 5e-2) * (10 if optimizer == "sgd" else 1),
        w_init=w_init,
        init_std=log_uniform(1e-3, 0.5) if w_init in SCALED else math.nan,
        l2reg=log_uniform(1e-8, 1e-2),
        dropout=float(rng.uniform(0, 0.7)),
        train_fraction=SHARES[rng.integers(len(SHARES))],
    )


# -- rows ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a parameter lies: a kernel (3, 3, inputs, outputs), a matrix or a bias."""

    name: str
    zoo_name: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Where the next one begins."""
        return self.start + math.prod(self.shape)

    def of(self, row: Array) -> Array:
        """Return the parameter of a network: a bias, or a matrix (taps × inputs, outputs)."""
        return row[self.start : self.stop].reshape(-1, *self.shape[-1:])


def places() -> Iterator[Place]:
    """Yield where each parameter lies."""
    layers = [
        (f"convs.{k}", f"conv2d_{k}" if k else "conv2d", (3, 3, *pair))
        for k, pair in enumerate(pairwise(CHANNELS))
    ]
    start = 0
    for name, zoo_name, shape in [*layers, ("dense", "dense", (CHANNELS[-1], CLASSES))]:
        for what, theirs, own in (("weight", "kernel", shape), ("bias", "bias", shape[-1:])):
            place = Place(f"{name}.{what}", f"sequential/{zoo_name}/{theirs}:0", start, own)
            yield place
            start = place.stop


PLACES = tuple(places())
SIZE = PLACES[-1].stop
KERNELS = tuple(place for place in PLACES if len(place.shape) > 1)


def layout() -> pd.DataFrame:
    """Return the zoo's table of places."""
    rows = [(place.zoo_name, place.start, place.stop, str(place.shape)) for place in PLACES]
    return pd.DataFrame(rows, columns=["varname", "start_idx", "end_idx", "shape"])


def initial_row(settings: Settings, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the row of a network before training; biases are zero."""
    row = np.zeros(SIZE, np.float32)
    for place in KERNELS:
        shape = math.prod(place.shape[:-1]), place.shape[-1]
        taps = math.prod(place.shape[:-2])
        values = _kernel(settings, shape, taps, rng)
        row[place.start : place.stop] = values.reshape(-1)
    return row


def _kernel(
    settings: Settings, shape: tuple[int, int], taps: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a kernel of (taps × inputs, outputs) as Keras does."""
    fan_in, fan_out = shape[0], taps * shape[1]
    if settings.w_init == "orthogonal":
        q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
        q *= np.sign(np.diag(r))
        return q if shape[0] >= shape[1] else q.T
    if settings.w_init == "RandomNormal":
        return settings.init_std * rng.standard_normal(shape)
    if settings.w_init == "TruncatedNormal":
        return settings.init_std * _truncated(shape, rng)
    variance = {"glorot_normal": 2 / (fan_in + fan_out), "he_normal": 2 / fan_in}
    return np.sqrt(variance[settings.w_init]) / _TRUNCATED * _truncated(shape, rng)


def _truncated(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw standard normal numbers, again where they lie beyond 2."""
    values = rng.standard_normal(shape)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(int(far.sum()))
    return values


# -- what they compute -----------------------------------------------------------------------------


def logits(activation: str, row: Array, x: Array, dropout: Dropout | None = None) -> Array:
    """Return what a network computes of images (images, 32, 32, 1): (images, 10)."""
    for kernel, bias in zip(PLACES[:-2:2], PLACES[1:-2:2], strict=True):
        x = ACTIVATIONS[activation](patches(x) @ kernel.of(row) + bias.of(row))
        if dropout is not None:
            x, dropout = dropout.of(x)
    weight, bias = PLACES[-2:]
    return x.mean((1, 2)) @ weight.of(row) + bias.of(row)


def patches(x: Array) -> Array:
    """Return what a kernel of 3 × 3 and stride 2 sees: (images, height, width, 9 × channels).

    A convolution as a product with these takes half the time of XLA's own, and of PyTorch's.
    """
    n = (x.shape[1] - 3) // 2 + 1
    taps = [slice(k, k + 2 * n - 1, 2) for k in range(3)]
    return jnp.concatenate([x[:, a, b] for a, b in product(taps, taps)], axis=-1)


class Dropout(NamedTuple):
    """Draws of 16 bits, one for each value, and the share that is dropped; means are kept."""

    draws: Array
    rate: Array

    def of(self, x: Array) -> tuple[Array, Dropout]:
        """Return what is left of values, and the dropout of those that follow."""
        own, rest = self.draws[: x.size], self.draws[x.size :]
        kept = own.reshape(x.shape) >= jnp.round(self.rate * 2**16).astype(jnp.uint16)
        return jnp.where(kept, x / (1 - self.rate), 0), Dropout(rest, self.rate)


N_DROPPED = sum(n * n * CHANNELS[-1] for n in (15, 7, 3))
"""Values of an image that dropout may drop."""


@partial(jax.jit, static_argnums=0)
def gradients(activation: str, rows: Array, x: Array, y: Array, dropout: Dropout) -> Array:
    """Return the gradient of each network's mean loss over its own images and classes.

    One network after another: each stays in the cache, and `jax.vmap` takes twice as long.
    """

    def loss(row: Array, x: Array, y: Array, dropout: Dropout) -> Array:
        return cross_entropy(logits(activation, row, x, dropout), y).mean()

    return lax.map(lambda network: jax.grad(loss)(*network), (rows, x, y, dropout))


@partial(jax.jit, static_argnums=0)
def scores(activation: str, rows: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the accuracy and the mean loss of each network over its own images and classes."""

    def score(network: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        row, x, y = network
        found = logits(activation, row, x)
        return (found.argmax(1) == y).mean(), cross_entropy(found, y).mean()

    found: tuple[Array, Array] = lax.map(score, (rows, x, y))
    return found


def cross_entropy(logits: Array, y: Array) -> Array:
    """Return the loss of each image."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)[:, 0]
