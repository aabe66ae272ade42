"""The networks of the zoo: how each is drawn, where its weights lie in a row, what they compute.

A row has the parameters of a network as the Small CNN Zoo stores them, in TensorFlow's layout;
PyTorch's parameters are views of it. So rows are what is trained, and what is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

GROUP = 16
"""Networks that are trained side by side; they share activation and optimiser."""

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
KINDS = tuple(product(ACTIVATIONS, ("sgd", "adam", "rmsprop")))
INITIALISERS = ("glorot_normal", "he_normal", "orthogonal", "RandomNormal", "TruncatedNormal")
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
    w_init = INITIALISERS[rng.integers(len(INITIALISERS))]
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

    def of(self, rows: Tensor) -> Tensor:
        """Return the parameter of every network as PyTorch has it: outputs first."""
        stored = rows[:, self.start : self.stop].unflatten(1, self.shape)
        return stored.permute(0, *{1: (1,), 2: (2, 1), 4: (4, 3, 1, 2)}[len(self.shape)])


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


def states_of(rows: Tensor) -> dict[str, Tensor]:
    """Return the parameters of all networks, stacked: views of their rows."""
    return {place.name: place.of(rows) for place in PLACES}


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


class SmallCNN(nn.Module):
    """Three convolutions, global average pooling and a dense layer.

    Parameters
    ----------
    activation : str
    """

    def __init__(self, activation: str) -> None:
        super().__init__()
        pairs = pairwise(CHANNELS)
        self.activation = activation
        self.convs = nn.ModuleList(nn.Conv2d(*pair, kernel_size=3, stride=2) for pair in pairs)
        self.dense = nn.Linear(CHANNELS[-1], CLASSES)

    def forward(self, x: Tensor, dropout: Tensor | None = None) -> Tensor:
        """Return logits; in training, a share of the values after each convolution is dropped."""
        for conv in self.convs:
            x = ACTIVATIONS[self.activation](conv(x))
            if dropout is not None:
                x = x * ((torch.rand_like(x) >= dropout) * (1 / (1 - dropout)))
        return self.dense(x.mean((-2, -1)))


def run_all(
    model: SmallCNN, rows: Tensor, x: Tensor, dropout: Tensor | None = None, *, own: bool = True
) -> Tensor:
    """Return the logits of all networks (networks, images, classes).

    `x` is (networks, images, 1, 32, 32), or, unless they have their `own`, (images, 1, 32, 32).
    """

    def run(state: dict[str, Tensor], images: Tensor, rate: Tensor | None) -> Tensor:
        found: Tensor = functional_call(model, state, (images, rate))
        return found

    dims = (0, 0 if own else None, None if dropout is None else 0)
    result: Tensor = vmap(run, dims, randomness="different")(states_of(rows), x, dropout)
    return result


def modules(activations: Sequence[str], rows: Tensor) -> Iterator[SmallCNN]:
    """Yield a module for every row."""
    states = states_of(rows)
    for k, activation in enumerate(activations):
        model = SmallCNN(activation)
        model.load_state_dict({name: value[k] for name, value in states.items()})
        yield model.eval()
