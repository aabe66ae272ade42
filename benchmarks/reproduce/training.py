"""Many networks of one architecture, trained side by side on one core.

The parameters of a group of networks are stacked, and `torch.func.vmap` runs them as one: several
times as fast as one after the other. What a network sees is its own alone: seed, initialization,
images and their order; no number of one enters the gradient of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from architectures import as_input
from data import Images, to_float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

BATCH = 32
"""Images per update."""

State = dict[str, Tensor]


@dataclass(frozen=True)
class Member:
    """How one network of a population is initialized and trained; `index` is its seed."""

    index: int
    init: str
    scale: float
    optimizer: str
    epochs: int
    fraction: float

    def n_images(self, n_train: int) -> int:
        """Return how many training images it sees: whole batches."""
        return max(round(self.fraction * n_train / BATCH), 1) * BATCH

    def n_updates(self, n_train: int) -> int:
        """Return how many updates it gets."""
        return self.epochs * self.n_images(n_train) // BATCH


@torch.no_grad()
def initialize(model: nn.Module, init: str, scale: float, generator: torch.Generator) -> None:
    """Draw all weights and, as the papers do, all biases from one distribution.

    `scale` is the standard deviation of the normal and of the truncated normal distribution
    (before truncation, at two standard deviations), the half-width of the uniform one, and for
    variance scaling the factor in scale / fan_in, the variance; the fan-in of a bias vector is
    its length, as in Keras.
    """
    for value in model.parameters():
        if init == "normal":
            value.normal_(0.0, scale, generator=generator)
        elif init == "uniform":
            value.uniform_(-scale, scale, generator=generator)
        elif init == "truncated_normal":
            bounds = {"a": -2 * scale, "b": 2 * scale}
            nn.init.trunc_normal_(value, std=scale, generator=generator, **bounds)
        elif init == "variance_scaling":
            fan_in = value[0].numel() if value.ndim > 1 else value.numel()
            value.normal_(0.0, math.sqrt(scale / fan_in), generator=generator)
        else:
            raise ValueError(f"unknown initialization {init!r}")


def make_optimizer(name: str, values: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Build one of the papers' two optimizers, at the papers' learning rates."""
    if name == "sgd":
        return torch.optim.SGD(values, lr=0.01, fused=True)
    return torch.optim.Adam(values, lr=1e-3, fused=True)


def batches(images: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield batches of indices without end, reshuffled every epoch."""
    while True:
        order = torch.randperm(len(images), generator=generator)
        yield from images[order].split(BATCH)


def losses(arch: str, outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean loss of each network: outputs are (networks, images, ...)."""
    if arch == "ae":
        each = F.binary_cross_entropy_with_logits(outputs, x, reduction="none")
        return each.mean(dim=(1, 2))
    each = F.cross_entropy(outputs.transpose(1, 2), y, reduction="none")
    return each.mean(dim=1)


def run_all(arch: str, model: nn.Module, stacked: State, x: Tensor) -> Tensor:
    """Return every network's outputs for its own batch: x is (networks, images, ...)."""
    if arch == "rnn":  # recurrent kernels have no rule for vmap
        states = ({k: v[i] for k, v in stacked.items()} for i in range(len(x)))
        return torch.stack([functional_call(model, s, (x[i],)) for i, s in enumerate(states)])

    def run(state: State, batch: Tensor) -> Tensor:
        found: Tensor = functional_call(model, state, (batch,))
        return found

    result: Tensor = vmap(run)(stacked, x)
    return result


def train_group(
    arch: str, model: nn.Module, members: Sequence[Member], images: Images
) -> list[State]:
    """Train networks that share their optimizer, and return each one's parameters, in order.

    `model` is one of them, whose own parameters are overwritten. A network is copied out when its
    own updates are done; the group goes on until the last.
    """
    generators = [torch.Generator().manual_seed(member.index) for member in members]
    starts, schedules = [], []
    for member, generator in zip(members, generators, strict=True):
        initialize(model, member.init, member.scale, generator)
        starts.append({k: v.detach().clone() for k, v in model.named_parameters()})
        chosen = torch.randperm(images.n_train, generator=generator)
        schedules.append(batches(chosen[: member.n_images(images.n_train)], generator))
    stacked = {k: torch.stack([s[k] for s in starts]).requires_grad_() for k in starts[0]}
    optimizer = make_optimizer(members[0].optimizer, list(stacked.values()))
    last = [member.n_updates(images.n_train) for member in members]
    found: list[State] = [{} for _ in members]
    for step in range(1, max(last) + 1):
        chosen = torch.stack([next(schedule) for schedule in schedules])
        x, y = as_input(arch, to_float(images.train_x[chosen])), images.train_y[chosen]
        optimizer.zero_grad()
        losses(arch, run_all(arch, model, stacked, x), x, y).sum().backward()
        optimizer.step()
        for k, end in enumerate(last):
            if step == end:
                found[k] = {name: value[k].detach().clone() for name, value in stacked.items()}
    return found


@torch.no_grad()
def evaluate(arch: str, model: nn.Module, images: Images) -> dict[str, float]:
    """Return test accuracy and loss; of an autoencoder, the share of the variance it restores.

    That share is 1 - squared error / variance about the mean image: 1 is perfect, 0 what the
    mean image gives, and less than 0 is worse; it takes the place of accuracy.
    """
    x = as_input(arch, to_float(images.test_x))
    outputs = torch.cat([model(part) for part in x.split(1000)])
    loss = float(losses(arch, outputs[None], x[None], images.test_y[None]))
    if arch == "ae":
        error = (outputs.sigmoid() - x).square().mean()
        accuracy = float(1 - error / x.var(dim=0, correction=0).mean())
    else:
        accuracy = float((outputs.argmax(1) == images.test_y).float().mean())
    return {"accuracy": accuracy, "loss": loss}
