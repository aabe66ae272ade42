"""How cost grows: doublings of one size at a time, and the exponent of time that they show.

    python -m benchmarks --only growth

A line through the logarithms of size and time: closed forms should grow with parameters + nodes,
explicit graphs with edges, exponent one; the spread is the standard error of the slope. Small
networks are left to `small`, where what does not grow at all is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from scipy.stats import linregress
from torch import nn

import cntgraph as cg
from benchmarks.timing import compare, markdown

TITLE = "How cost grows"

#: How often each network is measured.
ROUNDS = 5


def tables(size: str) -> Iterator[str]:
    """Yield the table of closed forms and that of explicit graphs."""
    torch.manual_seed(0)
    more = 1 if size == "full" else 0
    closed = [_row(name, _closed_cost, cg.analyze, [make(k) for k in range(4 + more)])
              for name, make in CLOSED.items()]  # fmt: skip
    header = ["doubled", "sizes", "parameters + nodes", "time", "exponent"]
    yield markdown("Closed form: `analyze`", header, closed)
    explicit = [_row(name, _n_edges, cg.build_graph, [make(k) for k in range(4 + more)])
                for name, make in EXPLICIT.items()]  # fmt: skip
    yield markdown("Explicit: `build_graph`", [*header[:2], "edges", *header[3:]], explicit)


def _row(
    name: str,
    cost: Callable[[cg.Network], int],
    measure: Callable[[cg.Network], object],
    nets: Sequence[cg.Network],
) -> list[str]:
    """Return the row of a series of networks: the exponent by which time grows with cost."""
    costs = [cost(net) for net in nets]
    times = compare({str(k): lambda n=n: measure(n) for k, n in enumerate(nets)}, rounds=ROUNDS)
    fit = linregress(np.log(costs), np.log([float(t) for t in times.values()]))
    first, last = times["0"], times[str(len(nets) - 1)]
    return [name, str(len(nets)), f"{costs[0]:,} to {costs[-1]:,}", f"{first} to {last}",
            f"{fit.slope:.2f} ± {fit.stderr:.2f}"]  # fmt: skip


def _closed_cost(net: cg.Network) -> int:
    return net.n_parameters + net.n_nodes


def _n_edges(net: cg.Network) -> int:
    return net.n_edges


# -- networks whose size is doubled k times -------------------------------------------------------


def _dense(width: int, depth: int) -> cg.Network:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return cg.load(nn.Sequential(*layers), input_shape=(width,))


def _conv(channels: int, kernel: int, side: int, depth: int = 3) -> cg.Network:
    layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, padding=kernel // 2), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Conv2d(channels, channels, kernel, padding=kernel // 2), nn.ReLU()]
    return cg.load(nn.Sequential(*layers), input_shape=(3, side, side))


def _unrolled(steps: int) -> cg.Network:
    cell = nn.LSTM(64, 128, batch_first=True)
    return cg.load(cell, input_shape=(steps, 64), unroll=steps)


CLOSED: dict[str, Callable[[int], cg.Network]] = {
    "width of dense layers": lambda k: _dense(1024 << k, 3),
    "depth of dense layers": lambda k: _dense(1024, 4 << k),
    "channels": lambda k: _conv(128 << k, 3, 32),
    "side of the image": lambda k: _conv(32, 3, 64 << k),
    "side of the kernel": lambda k: _conv(256, (1 << (k + 1)) + 1, 32),
    "sequence of an LSTM": lambda k: _unrolled(8 << k),
}
EXPLICIT: dict[str, Callable[[int], cg.Network]] = {
    "width of dense layers": lambda k: _dense(512 << k, 3),
    "depth of dense layers": lambda k: _dense(1024, 2 << k),
    "channels": lambda k: _conv(8 << k, 3, 32),
    "side of the image": lambda k: _conv(8, 3, 32 << k),
    "side of the kernel": lambda k: _conv(8, (1 << (k + 1)) + 1, 32),
}
