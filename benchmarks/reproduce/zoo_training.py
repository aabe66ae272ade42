"""The zoo's networks, trained: optimizers, the images that each sees, its checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from data import TASKS, load_images, to_float
from numpy.typing import NDArray
from zoo_networks import GROUP, KERNELS, SIZE, Settings, draw, initial_row
from zoo_passes import Dropout, gradient, patches, score

SEED = 2002
BATCH = 64
CHECKPOINTS = (0, 20, 50, 100, 200, 400, 600)
"""After how many updates networks are kept."""

N_TRAIN, N_TEST, N_OWN = 10_000, 2000, 1000
"""Training images of which networks have a share; images on which accuracies are measured."""

Row = NDArray[np.float32]
"""A value for each parameter of a network."""

Update = Callable[[int, Row], Row]
"""Of the number of the update, from 1, and the gradient: what, times the rate, is taken away."""


@dataclass(frozen=True)
class Gray:
    """Images (n, 32, 32) in [-1, 1], and their classes."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]

    @cached_property
    def train_seen(self) -> NDArray[np.float32]:
        """What a first kernel sees of the training images."""
        return patches(self.train_x)

    @cached_property
    def test_seen(self) -> NDArray[np.float32]:
        """What a first kernel sees of the test images."""
        return patches(self.test_x)


def load(folder: Path, task: str, cache: Path) -> Gray:
    """Return the first images of a task, gray, with a frame of black where they are small."""
    images = load_images(folder, task, cache)

    def gray(x: Any) -> NDArray[np.float32]:
        values = to_float(x).mean(1).numpy()
        edge = (32 - values.shape[-1]) // 2
        return np.pad(values, [(0, 0), (edge, edge), (edge, edge)]) * 2 - 1

    train, test = slice(N_TRAIN), slice(N_TEST)
    return Gray(gray(images.train_x[train]), images.train_y[train].numpy(),
                gray(images.test_x[test]), images.test_y[test].numpy())  # fmt: skip


# -- optimizers ------------------------------------------------------------------------------------


def sgd() -> Update:
    """Return plain gradient descent."""
    return lambda step, slope: slope


def adam(beta1: float = 0.9, beta2: float = 0.999, tiny: float = 1e-7) -> Update:
    """Return Adam, with Keras's constants."""
    mean, square = np.float32(0), np.float32(0)

    def update(step: int, slope: Row) -> Row:
        nonlocal mean, square
        mean = beta1 * mean + (1 - beta1) * slope
        square = beta2 * square + (1 - beta2) * slope**2
        deviation = np.sqrt(square / (1 - beta2**step)) + tiny
        return mean / (1 - beta1**step) / deviation

    return update


def rmsprop(rho: float = 0.9, tiny: float = 1e-7) -> Update:
    """Return RMSprop, with Keras's constants."""
    square = np.float32(0)

    def update(step: int, slope: Row) -> Row:
        nonlocal square
        square = rho * square + (1 - rho) * slope**2
        return slope / (np.sqrt(square) + tiny)

    return update


OPTIMIZERS: dict[str, Callable[[], Update]] = {"sgd": sgd, "adam": adam, "rmsprop": rmsprop}


# -- networks --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """What becomes of networks: a row of weights and of a table for each checkpoint of each."""

    weights: NDArray[np.float32]
    table: list[dict[str, Any]]


def train_group(task: str, group: int, images: Gray) -> Trained:
    """Train the networks of a group, one after the other: so each stays in the cache."""
    found = [train(task, k, images) for k in range(group * GROUP, (group + 1) * GROUP)]
    table = [row for own in found for row in own.table]
    return Trained(np.concatenate([own.weights for own in found]), table)


def train(task: str, number: int, images: Gray) -> Trained:
    """Train a network; what comes out depends on its number alone."""
    rng = np.random.default_rng([SEED, TASKS.index(task), number])
    settings = draw(number, rng)
    row = initial_row(settings, rng)
    order = image_order(settings.train_fraction, rng)
    kept = follow(settings, row, order, images, rng)
    about = {"network_id": number, "config.dataset": task} | settings.config
    table = [about | {"step": step, **scores} for step, (_, scores) in kept.items()]
    return Trained(np.stack([weights for weights, _ in kept.values()]), table)


def image_order(share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which image a network sees at which place: its own, in a new order every epoch."""
    own = rng.permutation(N_TRAIN)[: round(share * N_TRAIN)]
    n = CHECKPOINTS[-1] * BATCH
    epochs = [rng.permutation(own) for _ in range(-(-n // own.size))]
    return np.concatenate(epochs)[:n]


def follow(
    settings: Settings,
    row: Row,
    order: NDArray[np.int64],
    images: Gray,
    rng: np.random.Generator,
) -> dict[int, tuple[Row, dict[str, float]]]:
    """Train, and return the weights and the scores at every checkpoint."""
    update, decay = OPTIMIZERS[settings.optimizer](), 2 * settings.l2reg * of_kernels()
    rate = np.float32(settings.learning_rate)
    found = {}
    for step in range(CHECKPOINTS[-1] + 1):
        if step in CHECKPOINTS:
            found[step] = row, evaluate(settings.activation, row, order, images)
        if step < CHECKPOINTS[-1]:
            chosen = order[step * BATCH : (step + 1) * BATCH]
            dropout = Dropout.drawn(settings.dropout, BATCH, rng)
            seen, classes = images.train_seen[chosen], images.train_y[chosen]
            slope = gradient(settings.activation, row, seen, classes, dropout)
            row = row - rate * update(step + 1, slope + decay * row)
    return found


def of_kernels() -> Row:
    """Return 1 for weights of kernels, 0 for biases, which have no penalty."""
    found = np.zeros(SIZE, np.float32)
    for place in KERNELS:
        found[place.start : place.stop] = 1
    return found


def evaluate(activation: str, row: Row, order: NDArray[np.int64], images: Gray) -> dict[str, float]:
    """Return accuracy and loss on test images and on some of a network's own."""
    # An epoch has 1,000 images at least, so these differ.
    own, test = order[:N_OWN], np.arange(len(images.test_x))
    parts = (
        ("train", images.train_seen, images.train_y, own),
        ("test", images.test_seen, images.test_y, test),
    )
    found = {}
    for part, seen, classes, chosen in parts:
        some = [chosen[at : at + _PART] for at in range(0, len(chosen), _PART)]
        sums = sum(score(activation, row, seen[few], classes[few]) for few in some)
        accuracy, loss = sums / len(chosen)
        found |= {f"{part}_accuracy": float(accuracy), f"{part}_loss": float(loss)}
    return found


_PART = 100
"""Images on which scores are found at a time: what is computed of them stays in the cache."""
