"""Explicit graphs whose edges stay in a file, beside those in memory.

    python -m benchmarks --only backed_graph [--size full]

Each is built and measured in a process of its own. What the system keeps in memory of a mapped
file it takes away where somebody else needs it: what counts is the memory of the process itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import torch
from torch import nn

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import private
from benchmarks.timing import markdown

TITLE = "Graphs in a file"

#: Pixels of the images on either side; edges grow with their square.
SMALL, FULL = (64,), (64, 160)
MEASURES: dict[str, Callable[[cg.Graph], object]] = {
    "strengths": lambda graph: cg.node_strength(graph, edges="all"),
    "degrees": lambda graph: cg.node_strength(graph, transform="count", edges="all"),
    "PageRank": lambda graph: cg.pagerank(graph, sign="absolute"),
}


def tables(size: str) -> Iterator[str]:
    """Yield a table for each size of network."""
    for pixels in FULL if size == "full" else SMALL:
        yield table(pixels)


def table(pixels: int) -> str:
    """Build and measure a graph in memory and in a file."""
    rows, net = [], network(pixels)
    estimate = net.estimate()
    for where in ("memory", "file"):
        if where == "memory" and estimate.n_edges > 1_000_000_000:
            continue
        found = apart(measure, [where, pixels])
        rows += [
            [f"in {where}" if k == 0 else "", name, f"{seconds:.2f} s",
             f"{estimate.n_edges / seconds / 1e6:,.0f} M edges/s",
             f"{found['private']:,.0f} MiB" if k == 0 else ""]
            for k, (name, seconds) in enumerate(found["times"].items())
        ]  # fmt: skip
    title = f"{estimate.n_edges:,} edges, {estimate.nbytes / 1e9:.1f} GB"
    return markdown(title, ["", "", "time", "", "peak memory of its own"], rows)


def network(pixels: int) -> cg.Network:
    """Return three convolutions and a dense layer behind a pooling."""
    torch.manual_seed(0)
    n = pixels // 4
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(64, 16, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * n * n, 2048),
    )  # fmt: skip
    return cg.load(model.eval(), input_shape=(3, pixels, pixels))


def measure(given: list[str | int]) -> dict[str, object]:
    """Return the times of building, opening and measuring, and this process's own peak memory."""
    where, pixels = given
    net, times = network(int(pixels)), {}
    with tempfile.TemporaryDirectory() as folder, _Peak() as most:
        out = None if where == "memory" else Path(folder, "graph.h5")
        warm = None if out is None else Path(folder, "toy.h5")
        _measures(cg.build_graph(cg.toy("cnn"), out=warm))  # compiles, or reads what was compiled
        start = perf_counter()
        graph = cg.build_graph(net, out=out, max_edges=net.n_edges)
        times["build_graph"] = perf_counter() - start
        if out is not None:
            start = perf_counter()
            graph = cg.open_graph(out)
            times["open_graph"] = perf_counter() - start
        times |= _measures(graph)
    return {"times": times, "private": most.found}


def _measures(graph: cg.Graph) -> dict[str, float]:
    times = {}
    for name, call in MEASURES.items():
        start = perf_counter()
        call(graph)
        times[name] = perf_counter() - start
    return times


class _Peak:
    """The most memory of its own that this process takes in a ``with`` block.

    The system keeps the peak of all of its memory only, that of mapped files included.
    """

    def __enter__(self) -> _Peak:
        self.before = self.found = private()
        self._end = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.found = max(self.found, private())

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.found -= self.before
