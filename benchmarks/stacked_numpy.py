"""The zoo's measures as one writes them in NumPy, over arrays of many networks of one topology.

Rows are those of `benchmarks.zoo`: kernels and biases one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Of the three convolutions and of the dense layer.
KERNELS = ((3, 3, 1, 16), (3, 3, 16, 16), (3, 3, 16, 16), (16, 10))
#: The image's side.
SIDE = 32

Values = NDArray[np.float64]


class Strengths(NamedTuple):
    """What comes in and goes out at the nodes of a layer in each network, (n, nodes) both."""

    incoming: Values
    outgoing: Values


def fluctuation(rows: NDArray[np.float32]) -> Values:
    """Return the fluctuation of each layer of networks, shape (n, layers)."""
    return np.stack([(own.incoming + own.outgoing).std(1) for own in strengths(rows)], 1)


def analysis(rows: NDArray[np.float32]) -> dict[str, Values]:
    """Return the columns that `analyze` has of each layer of networks, shape (n, layers) each."""
    found: dict[str, list[Values]] = {}
    for own in strengths(rows):
        total = own.incoming + own.outgoing
        named = {"strength": total, "in_strength": own.incoming, "out_strength": own.outgoing}
        for name, values in named.items():
            for what in ("mean", "std", "min", "max"):
                found.setdefault(f"{name}_{what}", []).append(getattr(values, what)(1))
    none = np.empty((len(rows), 0), np.float32)
    weights = [kernel.reshape(len(rows), -1) for kernel, _ in parameters(rows)]
    for own in (none, *weights[:-1], none, weights[-1]):
        for name, values in link_weights(own.astype(np.float64)).items():
            found.setdefault(f"link_weight_{name}", []).append(values)
    return {name: np.stack(values, 1) for name, values in found.items()}


def link_weights(weights: Values) -> dict[str, Values]:
    """Return what `analyze` says of the weights of a layer in each network, shape (n, weights)."""
    n, size = weights.shape
    if not size:
        names = ("mean", "std", "skew", "kurtosis", "min", "max", "zero_fraction")
        return dict.fromkeys(names, np.full(n, np.nan)) | dict.fromkeys(
            ("n_nan", "n_inf"), np.zeros(n)
        )
    mean, std = weights.mean(1), weights.std(1)
    z = (weights - mean[:, None]) / std[:, None]
    square = z * z
    return {
        "mean": mean, "std": std, "skew": (square * z).mean(1),
        "kurtosis": (square * square).mean(1) - 3.0, "min": weights.min(1), "max": weights.max(1),
        "zero_fraction": (weights == 0).mean(1), "n_nan": np.isnan(weights).sum(1),
        "n_inf": np.isinf(weights).sum(1),
    }  # fmt: skip


def strengths(rows: NDArray[np.float32]) -> Iterator[Strengths]:
    """Yield the strengths of each layer of networks."""
    n, size = len(rows), SIDE
    *convolutions, (dense, bias) = parameters(rows)
    incoming: Values = np.zeros((n, 1, size, size))
    for kernel, own_bias in convolutions:
        outgoing, fine = np.zeros(incoming.shape), size
        size = (fine - 3) // 2 + 1
        taps = kernel.sum(4, np.float64)
        for i in range(3):
            for j in range(3):
                down, right = slice(i, i + 2 * size - 1, 2), slice(j, j + 2 * size - 1, 2)
                outgoing[:, :, down, right] += taps[:, i, j][:, :, None, None]
        yield Strengths(incoming.reshape(n, -1), outgoing.reshape(n, -1))
        into = kernel.sum((1, 2, 3), np.float64) + own_bias
        incoming = np.broadcast_to(into[:, :, None, None], (*into.shape, size, size)).copy()
    last = incoming.reshape(n, -1)
    yield Strengths(last, np.zeros(last.shape))
    yield Strengths(np.zeros((n, dense.shape[1])), dense.sum(2, np.float64))
    into = dense.sum(1, np.float64) + bias
    yield Strengths(into, np.zeros(into.shape))


def parameters(rows: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the kernels and biases of each layer of networks, the dense one last."""
    found, at = [], 0
    for shape in KERNELS:
        size, n_out = int(np.prod(shape)), shape[-1]
        kernel = rows[:, at : at + size].reshape(-1, *shape)
        found.append((kernel, rows[:, at + size : at + size + n_out]))
        at += size + n_out
    return found
