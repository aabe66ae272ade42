"""Groups of the zoo's networks, trained side by side: each with its own rate, penalty and images.

All parameters of a group are one matrix, a row a network, so an optimizer is a few lines over it
in which each row has its own learning rate. What a network sees is its own alone: no number of
one enters the gradient of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data import TASKS, load_images, to_float
from numpy.typing import NDArray
from zoo_networks import (
    GROUP,
    KERNELS,
    N_DROPPED,
    Dropout,
    Settings,
    draw,
    gradients,
    initial_row,
    scores,
)

SEED = 2002
BATCH = 64
CHECKPOINTS = (0, 20, 50, 100, 200, 400, 600)
"""After how many updates networks are kept."""

N_TRAIN, N_TEST, N_OWN = 10_000, 2000, 1000
"""Training images of which networks have a share; images on which accuracies are measured."""

Rows = NDArray[np.float32]
"""A value for each parameter of each network of a group."""

Update = Callable[[int, Rows], Rows]
"""Of the number of the update, from 1, and the gradient: what, times the rate, is taken away."""


@dataclass(frozen=True)
class Gray:
    """Images (n, 32, 32, 1) in [-1, 1], and their classes."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def load(folder: Path, task: str, cache: Path) -> Gray:
    """Return the first images of a task, gray, with a frame of black where they are small."""
    images = load_images(folder, task, cache)

    def gray(x: Any) -> NDArray[np.float32]:
        values = to_float(x).mean(1).numpy()
        edge = (32 - values.shape[-1]) // 2
        return np.pad(values, [(0, 0), (edge, edge), (edge, edge)])[..., None] * 2 - 1

    train, test = slice(N_TRAIN), slice(N_TEST)
    return Gray(gray(images.train_x[train]), images.train_y[train].numpy(),
                gray(images.test_x[test]), images.test_y[test].numpy())  # fmt: skip


# -- optimizers ------------------------------------------------------------------------------------


def sgd() -> Update:
    """Return plain gradient descent."""
    return lambda step, gradient: gradient


def adam(beta1: float = 0.9, beta2: float = 0.999, tiny: float = 1e-7) -> Update:
    """Return Adam, with Keras's constants."""
    mean, square = np.float32(0), np.float32(0)

    def update(step: int, gradient: Rows) -> Rows:
        nonlocal mean, square
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        deviation = np.sqrt(square / (1 - beta2**step)) + tiny
        return mean / (1 - beta1**step) / deviation

    return update


def rmsprop(rho: float = 0.9, tiny: float = 1e-7) -> Update:
    """Return RMSprop, with Keras's constants."""
    square = np.float32(0)

    def update(step: int, gradient: Rows) -> Rows:
        nonlocal square
        square = rho * square + (1 - rho) * gradient**2
        return gradient / (np.sqrt(square) + tiny)

    return update


OPTIMIZERS: dict[str, Callable[[], Update]] = {"sgd": sgd, "adam": adam, "rmsprop": rmsprop}


# -- a group ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """What becomes of a group: a row of weights and of a table for each checkpoint of each."""

    weights: NDArray[np.float32]
    table: list[dict[str, Any]]


def train_group(task: str, group: int, images: Gray) -> Trained:
    """Train the networks of a group; what comes out depends on these numbers alone."""
    numbers = range(group * GROUP, (group + 1) * GROUP)
    rngs = [np.random.default_rng([SEED, TASKS.index(task), number]) for number in numbers]
    settings = [draw(number, rng) for number, rng in zip(numbers, rngs, strict=True)]
    pairs = [*zip(settings, rngs, strict=True)]
    rows = np.stack([initial_row(*pair) for pair in pairs])
    order = np.stack([image_order(s.train_fraction, rng) for s, rng in pairs])
    kept = follow(settings, rows, order, images, rngs[0])
    table = [
        {"network_id": number, "step": step, "config.dataset": task, **found[k],
         **settings[k].config}
        for k, number in enumerate(numbers)
        for step, (_, found) in kept.items()
    ]  # fmt: skip
    weights = np.stack([found for found, _ in kept.values()], axis=1)
    return Trained(weights.reshape(-1, weights.shape[-1]), table)


def image_order(share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which image a network sees at which place: its own, in a new order every epoch."""
    own = rng.permutation(N_TRAIN)[: round(share * N_TRAIN)]
    n = CHECKPOINTS[-1] * BATCH
    epochs = [rng.permutation(own) for _ in range(-(-n // own.size))]
    return np.concatenate(epochs)[:n]


def follow(
    settings: Sequence[Settings],
    rows: Rows,
    order: NDArray[np.int64],
    images: Gray,
    rng: np.random.Generator,
) -> dict[int, tuple[Rows, list[dict[str, float]]]]:
    """Train, and return the rows and the scores of the networks at every checkpoint."""
    activation = settings[0].activation
    update = OPTIMIZERS[settings[0].optimizer]()
    rates, penalties, shares = (
        np.array([getattr(s, name) for s in settings], np.float32)
        for name in ("learning_rate", "l2reg", "dropout")
    )
    found = {}
    for step in range(CHECKPOINTS[-1] + 1):
        if step in CHECKPOINTS:
            found[step] = rows.copy(), evaluate(activation, rows, order, images)
        if step < CHECKPOINTS[-1]:
            chosen = order[:, step * BATCH : (step + 1) * BATCH]
            some = images.train_x[chosen], images.train_y[chosen]
            slope = np.array(gradients(activation, rows, *some, dropout(shares, rng)))
            slope += 2 * penalties[:, None] * of_kernels(rows)
            rows = rows - rates[:, None] * update(step + 1, slope)
    return found


def dropout(shares: NDArray[np.float32], rng: np.random.Generator) -> Dropout:
    """Draw what is dropped of a batch of every network: four numbers of 16 bits from one of 64."""
    n = BATCH * N_DROPPED
    draws = rng.integers(2**64, size=len(shares) * n // 4, dtype=np.uint64, endpoint=False)
    return Dropout(draws.view(np.uint16).reshape(-1, n), shares)


def of_kernels(rows: Rows) -> Rows:
    """Return the rows with zeros for biases, which have no penalty."""
    found = np.zeros_like(rows)
    for place in KERNELS:
        found[:, place.start : place.stop] = rows[:, place.start : place.stop]
    return found


def evaluate(
    activation: str, rows: Rows, order: NDArray[np.int64], images: Gray
) -> list[dict[str, float]]:
    """Return accuracy and loss of each network on test images and on some of its own."""
    # An epoch has 1,000 images at least, so these differ.
    own, test = order[:, :N_OWN], np.arange(len(images.test_x))
    everyone = np.broadcast_to(test, (len(rows), len(test)))
    found = {
        **_scores("train", activation, rows, images.train_x, images.train_y, own),
        **_scores("test", activation, rows, images.test_x, images.test_y, everyone),
    }
    return [{name: float(values[k]) for name, values in found.items()} for k in range(len(rows))]


_PART = 50
"""Images on which scores are found at a time: every number of images has its own program."""


def _scores(
    part: str,
    activation: str,
    rows: Rows,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> dict[str, NDArray[np.float32]]:
    parts = [chosen[:, at : at + _PART] for at in range(0, chosen.shape[1], _PART)]
    found = np.mean([scores(activation, rows, x[some], y[some]) for some in parts], axis=0)
    return {f"{part}_accuracy": found[0], f"{part}_loss": found[1]}
