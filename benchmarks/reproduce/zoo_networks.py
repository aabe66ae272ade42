"""The networks of the zoo: how each is drawn, and where its weights lie in a row.

A row has the parameters of a network as the Small CNN Zoo stores them, in TensorFlow's layout.
Rows are what is trained, and what is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

GROUP = 16
"""Networks of a file, one after the other; they share activation and optimizer."""

ACTIVATIONS = ("relu", "tanh")
KINDS = tuple(product(ACTIVATIONS, ("sgd", "adam", "rmsprop")))
INITIALIZERS = ("glorot_normal", "he_normal", "orthogonal", "RandomNormal", "TruncatedNormal")
SCALED = ("RandomNormal", "TruncatedNormal")
"""Those with a deviation of their own; for the others it is not drawn."""

SHARES = (0.1, 0.25, 0.5, 1.0)
SIDE = 32
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

    def of(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the parameter of a network: a bias, or a matrix (taps × inputs, outputs)."""
        own = row[self.start : self.stop]
        return own.reshape(-1, self.shape[-1]) if len(self.shape) > 1 else own


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


def parameters(row: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return kernel and bias of each layer, as views."""
    own = [place.of(row) for place in PLACES]
    return [*zip(own[::2], own[1::2], strict=True)]


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
