"""A small network, where what does not grow with the weights is what counts.

python -m benchmarks --only small
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import cntgraph as cg
from benchmarks.models import small_cnn
from benchmarks.timing import compare, markdown

TITLE = "A small network"


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    torch.manual_seed(0)
    model = small_cnn()
    net = cg.load(model, input_shape=(1, 28, 28))
    weights = [w.detach().numpy() for w in model.parameters() if w.ndim > 1]
    times = compare(
        {
            "NumPy by hand: sums over both sides": lambda: [_both_sums(w) for w in weights],
            "node_strength": lambda: cg.node_strength(net),
            "layer_fluctuation": lambda: cg.layer_fluctuation(net),
            "analyze": lambda: cg.analyze(net),
            "load": lambda: cg.load(model, input_shape=(1, 28, 28)),
        },
        rounds=101,
    )
    rows = [[name, str(t)] for name, t in times.items()]
    yield markdown(f"Two convolutions and a head, {net.n_parameters:,} parameters", ["", ""], rows)


def _both_sums(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum a weight over its outputs and over its inputs, positions of the kernel together."""
    by_channel = weight.reshape(*weight.shape[:2], -1).sum(2, np.float64)
    return by_channel.sum(0), by_channel.sum(1)
