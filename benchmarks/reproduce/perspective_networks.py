"""The small networks of `perspective.py`: of four architectures, three activations, five depths."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from pathlib import Path
from zlib import crc32

import torch
from data import TASKS, load_images, to_float
from torch import Tensor, nn
from torch.nn import functional as F

ARCHITECTURES = ("fc", "ae", "cnn", "rnn")
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
}
DEPTHS = (1, 2, 3, 4, 5)

SIZE, WIDTH, BOTTLENECK, CHANNELS, CLASSES = 14, 32, 16, 4, 10
N_TRAIN, N_TEST, N_EPOCHS, BATCH, LEARNING_RATE = 2000, 1000, 6, 32, 5e-3


@dataclass(frozen=True)
class Kind:
    """What a network is, and what it learns."""

    dataset: str
    architecture: str
    activation: str
    depth: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its file."""
        return "-".join(map(str, asdict(self).values()))

    @property
    def random_seed(self) -> int:
        """Seed of its weights and its order of images, which no two networks share."""
        return crc32(self.name.encode())


def kinds(n_seeds: int) -> list[Kind]:
    """Return every kind of network, so many times each."""
    return [
        Kind(*of, seed)
        for seed, *of in product(range(n_seeds), TASKS, ARCHITECTURES, ACTIVATIONS, DEPTHS)
    ]


@dataclass(frozen=True)
class Gray:
    """Gray images (n, 1, 14, 14) in [0, 1] and their classes."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


def load(folder: Path, dataset: str, cache: Path) -> Gray:
    """Return the first images of a dataset, gray and small: both datasets alike in size."""
    images = load_images(folder, dataset, cache)
    train, test = (gray(to_float(x)) for x in (images.train_x[:N_TRAIN], images.test_x[:N_TEST]))
    return Gray(train, images.train_y[:N_TRAIN], test, images.test_y[:N_TEST])


def gray(images: Tensor) -> Tensor:
    """Return the gray middle 28 × 28 of images, at half the resolution."""
    edge = (images.shape[-1] - 2 * SIZE) // 2
    middle = images[..., edge : edge + 2 * SIZE, edge : edge + 2 * SIZE]
    return F.avg_pool2d(middle.mean(dim=1, keepdim=True), 2)


class Rows(nn.Module):
    """Stacked recurrent layers that read an image row by row; the last state is classified.

    PyTorch's own recurrent layer knows neither the sigmoid nor no activation at all.
    """

    def __init__(self, depth: int, activation: str) -> None:
        super().__init__()
        sizes = [SIZE] + [WIDTH] * depth
        self.read = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.keep = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(depth))
        self.act = ACTIVATIONS[activation]()
        self.out = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images (n, rows, columns)."""
        states: list[Tensor | None] = [None] * len(self.read)
        for row in x.unbind(1):
            below = row
            for k, (read, keep) in enumerate(zip(self.read, self.keep, strict=True)):
                state, received = states[k], read(below)
                below = self.act(received if state is None else received + keep(state))
                states[k] = below
        return self.out(below)


def build(kind: Kind) -> nn.Module:
    """Return an untrained network, as PyTorch initializes it.

    `depth` counts hidden layers: dense, convolutional or recurrent ones; of an autoencoder those of
    the encoder, the narrow one among them, which the decoder mirrors.
    """
    torch.manual_seed(kind.random_seed)
    if kind.architecture == "rnn":
        return Rows(kind.depth, kind.activation)
    if kind.architecture == "cnn":
        return nn.Sequential(_cnn(kind.depth, kind.activation))
    n_inputs = SIZE * SIZE
    if kind.architecture == "fc":
        return nn.Sequential(_dense([n_inputs, *[WIDTH] * kind.depth, CLASSES], kind.activation))
    sizes = [n_inputs, *[WIDTH] * (kind.depth - 1), BOTTLENECK]
    layers = _dense([*sizes, *sizes[-2::-1]], kind.activation)
    return nn.Sequential(layers | OrderedDict(image=nn.Sigmoid()))


def _dense(sizes: list[int], activation: str) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, pair in enumerate(pairwise(sizes), start=1):
        layers[f"fc{k}"] = nn.Linear(*pair)
        if k < len(sizes) - 1:
            layers[f"act{k}"] = ACTIVATIONS[activation]()
    return layers


def _cnn(depth: int, activation: str) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k in range(1, depth + 1):
        layers[f"conv{k}"] = nn.Conv2d(CHANNELS if k > 1 else 1, CHANNELS, 3, padding=1)
        layers[f"act{k}"] = ACTIVATIONS[activation]()
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(CHANNELS * SIZE * SIZE, CLASSES)
    return layers


def as_input(architecture: str, images: Tensor) -> Tensor:
    """Return images (n, 1, 14, 14) as what an architecture reads."""
    if architecture == "cnn":
        return images
    return images[:, 0] if architecture == "rnn" else images.flatten(1)


def train(model: nn.Module, kind: Kind, images: Gray) -> None:
    """Train a network: to classify, or, an autoencoder, to restore its input."""
    x = as_input(kind.architecture, images.train_x)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for rows in _batches(len(x), torch.Generator().manual_seed(kind.random_seed)):
        optimizer.zero_grad()
        if kind.architecture == "ae":
            loss = F.binary_cross_entropy(model(x[rows]), x[rows])
        else:
            loss = F.cross_entropy(model(x[rows]), images.train_y[rows])
        loss.backward()
        optimizer.step()


def _batches(n: int, generator: torch.Generator) -> Iterable[Tensor]:
    for _ in range(N_EPOCHS):
        yield from torch.randperm(n, generator=generator).split(BATCH)


@torch.no_grad()
def quality(model: nn.Module, kind: Kind, images: Gray) -> float:
    """Return test accuracy; of an autoencoder the share of the variance that it restores."""
    x = as_input(kind.architecture, images.test_x)
    if kind.architecture == "ae":
        error = (model(x) - x).square().mean()
        return float(1 - error / x.var(dim=0, correction=0).mean())
    return float((model(x).argmax(1) == images.test_y).float().mean())
