"""Groups of the zoo's networks, trained side by side: each with its own rate, penalty and images.

All parameters of a group are one matrix, a row a network, so an optimiser is a few lines over it
in which each row has its own learning rate. What a network sees is its own alone: no number of
one enters the gradient of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import TASKS, load_images, to_float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from zoo_networks import GROUP, KERNELS, Settings, SmallCNN, draw, initial_row, run_all

SEED = 2002
BATCH = 64
CHECKPOINTS = (0, 20, 50, 100, 200, 400, 600)
"""After how many updates networks are kept."""

N_TRAIN, N_TEST, N_OWN = 10_000, 2000, 1000
"""Training images of which networks have a share; images on which accuracies are measured."""

_PART = 50
"""Images that all networks of a group run on at a time."""

Update = Callable[[int, Tensor], Tensor]
"""Of the number of the update, from 1, and the gradient: what, times the rate, is taken away."""


@dataclass(frozen=True)
class Grey:
    """Images (n, 1, 32, 32) in [-1, 1], and their classes."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


def load(folder: Path, task: str, cache: Path) -> Grey:
    """Return the first images of a task, grey, with a frame of black where they are small."""
    images = load_images(folder, task, cache)

    def grey(x: Tensor) -> Tensor:
        edge = (32 - x.shape[-1]) // 2
        return F.pad(to_float(x).mean(1, keepdim=True), [edge] * 4) * 2 - 1

    train, test = slice(N_TRAIN), slice(N_TEST)
    return Grey(grey(images.train_x[train]), images.train_y[train],
                grey(images.test_x[test]), images.test_y[test])  # fmt: skip


# -- optimisers ------------------------------------------------------------------------------------


def sgd() -> Update:
    """Return plain gradient descent."""
    return lambda step, gradient: gradient


def adam(beta1: float = 0.9, beta2: float = 0.999, tiny: float = 1e-7) -> Update:
    """Return Adam, with Keras's constants."""
    mean, square = torch.zeros(()), torch.zeros(())

    def update(step: int, gradient: Tensor) -> Tensor:
        nonlocal mean, square
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient.square()
        deviation = (square / (1 - beta2**step)).sqrt() + tiny
        return mean / (1 - beta1**step) / deviation

    return update


def rmsprop(rho: float = 0.9, tiny: float = 1e-7) -> Update:
    """Return RMSprop, with Keras's constants."""
    square = torch.zeros(())

    def update(step: int, gradient: Tensor) -> Tensor:
        nonlocal square
        square = rho * square + (1 - rho) * gradient.square()
        return gradient / (square.sqrt() + tiny)

    return update


OPTIMISERS: dict[str, Callable[[], Update]] = {"sgd": sgd, "adam": adam, "rmsprop": rmsprop}


# -- a group ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """What becomes of a group: a row of weights and of a table for each checkpoint of each."""

    weights: NDArray[np.float32]
    table: list[dict[str, Any]]


def train_group(task: str, group: int, images: Grey) -> Trained:
    """Train the networks of a group; what comes out depends on these numbers alone."""
    numbers = range(group * GROUP, (group + 1) * GROUP)
    rngs = [np.random.default_rng([SEED, TASKS.index(task), number]) for number in numbers]
    settings = [draw(number, rng) for number, rng in zip(numbers, rngs, strict=True)]
    pairs = [*zip(settings, rngs, strict=True)]
    rows = torch.from_numpy(np.stack([initial_row(*pair) for pair in pairs]))
    order = torch.from_numpy(np.stack([image_order(s.train_fraction, rng) for s, rng in pairs]))
    torch.manual_seed(int(rngs[0].integers(2**62)))  # of what is dropped
    kept = follow(settings, rows, order, images)
    table = [
        {"network_id": number, "step": step, "config.dataset": task, **scores[k],
         **settings[k].config}
        for k, number in enumerate(numbers)
        for step, (_, scores) in kept.items()
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
    settings: Sequence[Settings], rows: Tensor, order: Tensor, images: Grey
) -> dict[int, tuple[NDArray[np.float32], list[dict[str, float]]]]:
    """Train, and return the rows and the scores of the networks at every checkpoint."""
    model = SmallCNN(settings[0].activation)
    update = OPTIMISERS[settings[0].optimizer]()
    rates, penalties, dropout = (
        torch.tensor([getattr(s, name) for s in settings], dtype=torch.float32)
        for name in ("learning_rate", "l2reg", "dropout")
    )
    found = {}
    for step in range(CHECKPOINTS[-1] + 1):
        if step in CHECKPOINTS:
            found[step] = rows.numpy().copy(), evaluate(model, rows, order, images)
        if step < CHECKPOINTS[-1]:
            chosen = order[:, step * BATCH : (step + 1) * BATCH]
            slope = gradient(model, rows, images.train_x[chosen], images.train_y[chosen], dropout)
            slope += 2 * penalties[:, None] * of_kernels(rows)
            rows = rows - rates[:, None] * update(step + 1, slope)
    return found


def gradient(model: SmallCNN, rows: Tensor, x: Tensor, y: Tensor, dropout: Tensor) -> Tensor:
    """Return the gradient of each network's mean loss."""
    rows = rows.detach().requires_grad_()
    logits = run_all(model, rows, x, dropout)
    losses = F.cross_entropy(logits.transpose(1, 2), y, reduction="none").mean(1)
    return torch.autograd.grad(losses.sum(), rows)[0]


def of_kernels(rows: Tensor) -> Tensor:
    """Return the rows with zeros for biases, which have no penalty."""
    found = torch.zeros_like(rows)
    for place in KERNELS:
        found[:, place.start : place.stop] = rows[:, place.start : place.stop]
    return found


@torch.no_grad()
def evaluate(model: SmallCNN, rows: Tensor, order: Tensor, images: Grey) -> list[dict[str, float]]:
    """Return accuracy and loss of each network on test images and on some of its own."""
    # An epoch has 1,000 images at least, so these differ.
    own, test = order[:, :N_OWN], torch.arange(len(images.test_x))
    found = {
        **_scores("train", model, rows, images.train_x, images.train_y, own),
        **_scores("test", model, rows, images.test_x, images.test_y, test),
    }
    return [{name: float(values[k]) for name, values in found.items()} for k in range(len(rows))]


def _scores(
    part: str, model: SmallCNN, rows: Tensor, x: Tensor, y: Tensor, chosen: Tensor
) -> dict[str, Tensor]:
    hits, losses, own = torch.zeros(len(rows)), torch.zeros(len(rows)), chosen.ndim > 1
    for some in chosen.split(_PART, dim=-1):
        logits = run_all(model, rows, x[some], own=own).transpose(1, 2)
        target = y[some].expand(len(rows), -1)
        hits += (logits.argmax(1) == target).sum(1)
        losses += F.cross_entropy(logits, target, reduction="none").sum(1)
    n = chosen.shape[-1]
    return {f"{part}_accuracy": hits / n, f"{part}_loss": losses / n}
