"""Train the networks of the bundled demo on scikit-learn's handwritten digits.

Two recordings are made:

``training``
    One small convolutional network, recorded at 16 moments of its training,
    from initialization to good test accuracy.
``population``
    64 small networks of one fixed architecture, each recorded once, at the
    end of its own training.  What differs between them -- seed, initialization,
    scale of the initialization, optimizer, number of epochs, share of the
    training set -- is drawn at random from ``GRID``, every value of every entry
    being equally likely.  Every network drawn is kept, whatever its accuracy.

The protocol of the population, and its architecture in the small, follow
La Malfa et al., "Characterizing Learning Dynamics of Deep Neural Networks via
Complex Networks" (arXiv:2110.02628).

    python benchmarks/make_demo.py --out cntgraph/data

runs on one core, needs no download, and gives the same networks every time (up
to the floating-point arithmetic of the machine and of the torch release).
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

import cntgraph as cg

TRAINING_BATCH_SIZE = 32
POPULATION_BATCH_SIZE = 8
"""Images per update."""

SPLIT_SEED = 0
"""Seed of the one division into training and test images that all networks share."""

TRAINING_SEED = 0
"""Seed of the network whose training is recorded."""

TRAINING_EPOCHS = 20
TRAINING_MOMENTS = 16

POPULATION_SEED = 2021
"""Seed of the draw from ``GRID``."""

POPULATION_SIZE = 64
"""As many as fit into a file that comes with the package."""

GRID: dict[str, Sequence] = {
    "init": ("normal", "uniform", "truncated_normal", "variance_scaling"),
    "scale": (0.05, 0.1, 0.2, 0.5),
    "optimizer": ("sgd", "adam"),
    "epochs": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
    "fraction": (0.25, 0.5, 1.0),
}
"""What the networks of the population may differ in, besides their seed."""


# --------------------------------------------------------------------------- data


class Digits(NamedTuple):
    """The digits images, in [0, 1] and of shape (n, 1, 8, 8), with their classes."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


def load_data() -> Digits:
    """Load the 1797 digits, divided once and for all: 80 % training, 20 % test."""
    images, classes = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(
        images, classes, test_size=0.2, stratify=classes, random_state=SPLIT_SEED
    )
    return Digits(*map(torch.from_numpy, (train_x, train_y, test_x, test_y)))


# ------------------------------------------------------------------- architectures


class TrainingNet(nn.Sequential):
    """The network whose training is recorded: 3 706 parameters."""

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, kernel_size=3, padding=1),  # 8 x 8 x 8
                norm1=nn.BatchNorm2d(8),
                relu1=nn.ReLU(),
                pool1=nn.AvgPool2d(2),  # 8 x 4 x 4
                conv2=nn.Conv2d(8, 16, kernel_size=3, padding=1),  # 16 x 4 x 4
                norm2=nn.BatchNorm2d(16),
                relu2=nn.ReLU(),
                pool2=nn.AvgPool2d(2),  # 16 x 2 x 2
                flatten=nn.Flatten(),
                fc1=nn.Linear(64, 32),
                relu3=nn.ReLU(),
                fc2=nn.Linear(32, 10),
            )
        )


class PopulationNet(nn.Sequential):
    """The architecture of the population: 2 634 parameters.

    The papers' convolutional network in the small: three unpadded 3 x 3
    convolutions, a dense layer of 32 neurons, a dense layer of 10; 8 channels
    here where the papers have 256.
    """

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, kernel_size=3),  # 8 x 6 x 6
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(8, 8, kernel_size=3),  # 8 x 4 x 4
                relu2=nn.ReLU(),
                conv3=nn.Conv2d(8, 8, kernel_size=3),  # 8 x 2 x 2
                relu3=nn.ReLU(),
                flatten=nn.Flatten(),
                fc1=nn.Linear(32, 32),
                relu4=nn.ReLU(),
                fc2=nn.Linear(32, 10),
            )
        )


# ------------------------------------------------------------------------ training


def make_optimizer(name: str, model: nn.Module) -> torch.optim.Optimizer:
    """Build one of the papers' two optimizers, at the papers' learning rates."""
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=0.01)
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    raise ValueError(f"unknown optimizer {name!r}")


def batches(
    size: int, batch_size: int, updates: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield the image indices of ``updates`` batches, reshuffled every epoch."""
    done = 0
    while done < updates:
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            if done == updates:
                return
            yield batch
            done += 1


def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """Do one step of gradient descent on the cross-entropy of one batch."""
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of the images that the model classifies correctly."""
    was_training = model.training
    model.eval()
    share = (model(x).argmax(dim=1) == y).float().mean().item()
    model.train(was_training)
    return share


def accuracies(model: nn.Module, data: Digits) -> dict[str, float]:
    """Accuracy on the whole training set (whatever share was used) and on the test set."""
    return {
        "train_accuracy": round(accuracy(model, data.train_x, data.train_y), 4),
        "accuracy": round(accuracy(model, data.test_x, data.test_y), 4),
    }


# ------------------------------------------------------------- one recorded training


def record_training(path: Path, data: Digits) -> None:
    """Train one network and record it at moments that are close at first, then wider apart."""
    torch.manual_seed(TRAINING_SEED)
    generator = torch.Generator().manual_seed(TRAINING_SEED)
    model = TrainingNet()
    optimizer = make_optimizer("adam", model)
    updates_per_epoch = math.ceil(len(data.train_x) / TRAINING_BATCH_SIZE)
    updates = TRAINING_EPOCHS * updates_per_epoch
    moments = {
        round(updates * (index / (TRAINING_MOMENTS - 1)) ** 2) for index in range(TRAINING_MOMENTS)
    }
    schedule = batches(len(data.train_x), TRAINING_BATCH_SIZE, updates, generator)

    with cg.Recorder(path, model, data.train_x[:1]) as recorder:

        def record(step: int) -> None:
            recorder(step=step, epoch=round(step / updates_per_epoch, 4), **accuracies(model, data))

        record(0)
        for step, batch in enumerate(schedule, start=1):
            update(model, optimizer, data.train_x[batch], data.train_y[batch])
            if step in moments:
                record(step)


# ------------------------------------------------------------------- the population


@dataclass(frozen=True)
class Member:
    """How one network of the population is initialized and trained."""

    seed: int
    init: str
    scale: float
    optimizer: str
    epochs: float
    fraction: float


def draw_members(size: int = POPULATION_SIZE, seed: int = POPULATION_SEED) -> list[Member]:
    """Draw the population from ``GRID``, every entry independently and uniformly."""
    rng = np.random.default_rng(seed)
    return [
        Member(
            seed=index,
            **{key: values[int(rng.integers(len(values)))] for key, values in GRID.items()},
        )
        for index in range(size)
    ]


@torch.no_grad()
def initialize(model: nn.Module, init: str, scale: float, generator: torch.Generator) -> None:
    """Draw all weights and, as the papers do, all biases from one distribution.

    ``scale`` is the standard deviation of the normal and of the truncated normal
    distribution (before truncation, at two standard deviations), the half-width of
    the uniform one, and for variance scaling the factor in ``scale / fan_in``, the
    variance; the fan-in of a bias vector is taken to be its length, as in Keras.
    """
    for parameter in model.parameters():
        if init == "normal":
            parameter.normal_(0.0, scale, generator=generator)
        elif init == "uniform":
            parameter.uniform_(-scale, scale, generator=generator)
        elif init == "truncated_normal":
            nn.init.trunc_normal_(
                parameter, std=scale, a=-2 * scale, b=2 * scale, generator=generator
            )
        elif init == "variance_scaling":
            fan_in = parameter[0].numel() if parameter.ndim > 1 else parameter.numel()
            parameter.normal_(0.0, math.sqrt(scale / fan_in), generator=generator)
        else:
            raise ValueError(f"unknown initialization {init!r}")


def train_member(model: nn.Module, member: Member, data: Digits) -> int:
    """Initialize ``model`` anew and train it as ``member`` says; return the updates done."""
    generator = torch.Generator().manual_seed(member.seed)
    initialize(model, member.init, member.scale, generator)
    size = round(member.fraction * len(data.train_x))
    chosen = torch.randperm(len(data.train_x), generator=generator)[:size]
    x, y = data.train_x[chosen], data.train_y[chosen]
    optimizer = make_optimizer(member.optimizer, model)
    updates = max(1, round(member.epochs * math.ceil(size / POPULATION_BATCH_SIZE)))
    for batch in batches(size, POPULATION_BATCH_SIZE, updates, generator):
        update(model, optimizer, x[batch], y[batch])
    return updates


def record_population(path: Path, data: Digits) -> None:
    """Train every member of the population, in one model object, and record each once."""
    model = PopulationNet()
    with cg.Recorder(path, model, data.train_x[:1]) as recorder:
        for member in draw_members():
            updates = train_member(model, member, data)
            about = {key: value for key, value in asdict(member).items() if key != "epochs"}
            labels = {**about, "updates": updates, **accuracies(model, data)}
            recorder(epoch=member.epochs, **labels)


def main() -> None:
    """Make both recordings."""
    parser = argparse.ArgumentParser(description="Train the networks of the bundled demo.")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = False  # twice as fast on batches this small

    data = load_data()
    for name, make in (("training", record_training), ("population", record_population)):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "recorded.h5", data)
            # Written again in one go: smaller, since nothing was ever appended to it.
            with cg.open(Path(folder) / "recorded.h5") as recorded:
                cg.save(recorded, out / f"{name}.h5", overwrite=True)
        size = (out / f"{name}.h5").stat().st_size
        print(f"{name}: {time.perf_counter() - start:.0f} s, {size:,} bytes")


if __name__ == "__main__":
    main()
