"""The networks: fully connected, convolutional, autoencoder and recurrent, of any depth.

FC is in-H-H-200-10; CNN three unpadded 3 x 3 convolutions and the same 200-10. The first two
convolutions have a stride of 2, which the papers' have not: on two cores it makes the
difference between hours and days. All have biases, and no normalization.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

ARCHITECTURES = ("fc", "cnn", "ae", "rnn")

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
}

CLASSES = 10
HIDDEN = 64
"""H: neurons of a hidden layer, and units of the recurrent one."""

LAST = 200
"""Neurons of the layer before the output."""

CHANNELS = 8
STRIDES = {True: (2, 2, 1), False: (2, 1, 1, 1, 1)}
"""Of the convolutions, if there are at most three, or more: five need room."""

BOTTLENECK = 32


class Rows(nn.Module):
    """A recurrent network that reads an image row by row; the last state is classified."""

    def __init__(self, shape: tuple[int, ...], depth: int, activation: str) -> None:
        super().__init__()
        nonlinearity = "relu" if activation == "relu" else "tanh"
        size = shape[0] * shape[2]
        self.rnn = nn.RNN(size, HIDDEN, depth, nonlinearity=nonlinearity, batch_first=True)
        self.fc1, self.act1 = nn.Linear(HIDDEN, LAST), ACTIVATIONS[activation]()
        self.fc2 = nn.Linear(LAST, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of sequences of shape (n, rows, columns * channels)."""
        states, _ = self.rnn(x)
        return self.fc2(self.act1(self.fc1(states[:, -1])))


def as_input(arch: str, images: Tensor) -> Tensor:
    """Return images of shape (n, channels, height, width) as what the architecture reads."""
    if arch == "rnn":
        return images.transpose(-3, -2).flatten(-2)
    return images if arch == "cnn" else images.flatten(-3)


def build(
    arch: str, shape: tuple[int, ...], *, depth: int | None = None, activation: str = "relu"
) -> nn.Module:
    """Return an untrained network for images of a shape.

    `depth` counts hidden layers before the one of 200 neurons: dense layers (by default 2),
    convolutions (3), recurrent layers (1); of an autoencoder, those of the encoder (2).
    """
    if arch == "rnn":
        return Rows(shape, depth or 1, activation)
    if arch == "cnn":
        return nn.Sequential(_cnn(shape, depth or 3, activation))
    n_inputs = shape[0] * shape[1] * shape[2]
    if arch == "ae":
        sizes = [n_inputs, *[HIDDEN * 2] * ((depth or 2) - 1), BOTTLENECK]
        sizes = [*sizes, *sizes[-2::-1]]
    else:
        sizes = [n_inputs, *[HIDDEN] * (depth or 2), LAST, CLASSES]
    return nn.Sequential(_dense(sizes, activation))


def _dense(sizes: list[int], activation: str) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        layers[f"fc{k}"] = nn.Linear(n_in, n_out)
        if k < len(sizes) - 1:
            layers[f"act{k}"] = ACTIVATIONS[activation]()
    return layers


def _cnn(shape: tuple[int, ...], depth: int, activation: str) -> OrderedDict[str, nn.Module]:
    channels, height, width = shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, stride in enumerate(STRIDES[depth <= 3][:depth], start=1):
        layers[f"conv{k}"] = nn.Conv2d(channels, CHANNELS, 3, stride=stride)
        layers[f"conv_act{k}"] = ACTIVATIONS[activation]()
        channels, height, width = CHANNELS, (height - 3) // stride + 1, (width - 3) // stride + 1
    layers["flatten"] = nn.Flatten()
    return layers | _dense([channels * height * width, LAST, CLASSES], activation)


def example_input(arch: str, shape: tuple[int, ...]) -> Tensor:
    """Return one sample, to trace a network with."""
    return as_input(arch, torch.zeros(1, *shape))
