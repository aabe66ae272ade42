"""What a network of the zoo computes of images, and the gradient of its loss.

One network at a time, a batch at a time: so what it computes stays in the cache.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from zoo_convolution import (
    Floats,
    convolve,
    input_gradient,
    kernel_gradient,
    product,
    product_gradient,
    size_after,
)
from zoo_networks import CHANNELS, SIDE, parameters

_SIZES = [SIDE]
while len(_SIZES) < len(CHANNELS):
    _SIZES.append(size_after(_SIZES[-1]))

N_DROPPED = sum(size**2 * n for size, n in zip(_SIZES[1:], CHANNELS[1:], strict=True))
"""Values of an image that dropout may drop."""


def patches(x: Floats) -> Floats:
    """Return what the first kernel sees of images (n, 32, 32), and 1 for its bias: (n, 15, 15, 10).

    Kernel and bias are next to each other in a row: one matrix for a product with these.
    """
    n = size_after(x.shape[1])
    taps = [slice(k, k + 2 * n - 1, 2) for k in range(3)]
    seen = [x[:, a, b] for a, b in itertools.product(taps, taps)]
    return np.stack([*seen, np.ones_like(seen[0])], axis=-1)


class Dropout(NamedTuple):
    """Draws of 16 bits, one for each value, and the share that is dropped; means are kept."""

    draws: NDArray[np.uint16]
    share: float

    @classmethod
    def drawn(cls, share: float, n: int, rng: np.random.Generator) -> Dropout:
        """Draw for n images: four numbers of 16 bits from one of 64."""
        draws = rng.integers(2**64, size=n * N_DROPPED // 4, dtype=np.uint64)
        return cls(draws.view(np.uint16), share)

    def apart(self, n: int) -> tuple[Dropout, Dropout]:
        """Return the dropout of the first n values, and that of all others."""
        return self._replace(draws=self.draws[:n]), self._replace(draws=self.draws[n:])

    def bend(self, activation: str, z: Floats) -> Floats:
        """Make of sums, in place, what is left of their activations; return the slopes."""
        activate(activation, z)
        slopes = 1 - z * z if activation == "tanh" else (z > 0).astype(np.float32)
        least, factor = round(self.share * 2**16), np.float32(1 / (1 - self.share))
        _drop(z.reshape(-1), slopes.reshape(-1), self.draws, least, factor)
        return slopes


@njit(nogil=True)
def _drop(
    values: Floats, slopes: Floats, draws: NDArray[np.uint16], least: int, factor: np.float32
) -> None:
    for k in range(values.size):
        kept = factor if draws[k] >= least else np.float32(0)
        values[k] *= kept
        slopes[k] *= kept


def activate(activation: str, z: Floats) -> None:
    """Apply an activation in place."""
    np.tanh(z, out=z) if activation == "tanh" else np.maximum(z, 0, out=z)


def sums(k: int, x: Floats, kernel: Floats, bias: Floats) -> Floats:
    """Return what comes to the k-th convolution's channels; the first reads patches."""
    return convolve(x, kernel, bias) if k else product(x, np.vstack([kernel, bias]))


def logits(activation: str, row: Floats, seen: Floats) -> Floats:
    """Return what a network computes of the patches of images: (n, 10)."""
    x = seen
    for k, (kernel, bias) in enumerate(parameters(row)[:-1]):
        x = sums(k, x, kernel, bias)
        activate(activation, x)
    weight, bias = parameters(row)[-1]
    return x.mean((1, 2)) @ weight + bias


def gradient(
    activation: str, row: Floats, seen: Floats, classes: NDArray[np.int64], dropout: Dropout
) -> Floats:
    """Return the gradient of the mean loss over images, of which the patches are given."""
    *layers, (weight, bias) = parameters(row)
    inputs, slopes = [seen], []
    for k, (kernel, offset) in enumerate(layers):
        y = sums(k, inputs[-1], kernel, offset)
        own, dropout = dropout.apart(y.size)
        slopes.append(own.bend(activation, y))
        inputs.append(y)
    last = inputs.pop()
    means = last.mean((1, 2))
    d = softmax(means @ weight + bias)
    d[np.arange(len(d)), classes] -= 1
    d /= len(d)
    found = [(means.T @ d, d.sum(0))]
    positions = last.shape[1] * last.shape[2]
    dy = np.broadcast_to((d @ weight.T / positions)[:, None, None], last.shape)
    for k in reversed(range(len(layers))):
        dz, x = np.multiply(dy, slopes[k], out=slopes[k]), inputs[k]
        if k:
            ones = np.ones(dz.size // CHANNELS[k + 1], np.float32)
            found.append((kernel_gradient(x, dz), ones @ dz.reshape(len(ones), -1)))
            dy = input_gradient(dz, layers[k][0], x.shape[1])
        else:
            found.append((product_gradient(x, dz),))
    return np.concatenate([part.reshape(-1) for pair in reversed(found) for part in pair])


def softmax(x: Floats) -> Floats:
    """Return the shares of classes."""
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def score(
    activation: str, row: Floats, seen: Floats, classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how many images are told right, and the sum of their losses."""
    x = logits(activation, row, seen)
    x -= x.max(1, keepdims=True)
    losses = np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), classes]
    return np.array([(x.argmax(1) == classes).sum(), losses.sum(dtype=np.float64)])
