"""A zoo: many small networks of one topology, against NumPy over stacked arrays and one by one.

    python -m benchmarks --only zoo --size full    # 270,000 networks, 5.4 GB that it writes itself

The architecture is that of the Small CNN Zoo: three convolutions of 16 channels, global average
pooling, a dense layer; 4,970 parameters. Weights are random.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks import memory
from benchmarks.apart import apart
from benchmarks.timing import compare, markdown

TITLE = "A zoo of small networks"
#: Networks, by the size of the benchmark; networks that the slower ways are timed on.
NETWORKS = {"small": 20_000, "full": 270_000}
STACKED, ALONE = 1024, 32
#: Networks of which the memory is compared.
FEW, MANY = {"small": 5_000, "full": 10_000}, {"small": 20_000, "full": 200_000}
CHANNELS = (1, 16, 16, 16)


def tables(size: str) -> Iterator[str]:
    """Yield the tables."""
    with tempfile.TemporaryDirectory() as folder:
        write_zoo(Path(folder), NETWORKS[size])
        yield _speeds(folder)
        yield _memory(folder, size)


def write_zoo(folder: Path, n: int) -> None:
    """Write the three files of a zoo of n networks."""
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for k, (n_in, n_out) in enumerate(pairwise(CHANNELS)):
        shapes += [(f"conv2d_{k}/kernel", (3, 3, n_in, n_out)), (f"conv2d_{k}/bias", (n_out,))]
    shapes += [("dense/kernel", (CHANNELS[-1], 10)), ("dense/bias", (10,))]
    ends = np.cumsum([np.prod(shape) for _, shape in shapes])
    layout = {"varname": [f"{name}:0" for name, _ in shapes],
              "start_idx": [0, *ends[:-1]], "end_idx": ends,
              "shape": [str(shape) for _, shape in shapes]}  # fmt: skip
    pd.DataFrame(layout).to_csv(folder / "layout.csv", index=False)
    rng = np.random.default_rng(0)
    accuracy = {"test_accuracy": rng.uniform(size=n)}
    pd.DataFrame(accuracy).to_csv(folder / "metrics.csv.gz", index=False)
    weights = np.lib.format.open_memmap(
        folder / "weights.npy", "w+", np.float32, (n, int(ends[-1]))
    )
    for first in range(0, n, 4096):
        part = weights[first : first + 4096]
        part[:] = rng.standard_normal(part.shape, np.float32)
    weights.flush()


def _speeds(folder: str) -> str:
    zoo = cg.Population.from_cnn_zoo(folder)
    zoo[:2048].analyze()
    start = time.perf_counter()
    zoo.analyze()
    seconds = time.perf_counter() - start
    some, few = zoo[:STACKED], [zoo[k] for k in range(ALONE)]
    rows = np.load(Path(folder, "weights.npy"), mmap_mode="r")[:STACKED]
    times = compare({
        "a few lines of NumPy over stacked arrays: fluctuation alone": lambda: by_numpy(rows),
        "one by one: analyze": lambda: [cg.analyze(net) for net in few],
        "many at a time: Population.analyze": some.analyze,
    }, rounds=5)  # fmt: skip
    counts = (STACKED, ALONE, STACKED)
    whole = len(zoo) / seconds
    body = [[f"**Population.analyze** of {len(zoo):,} networks, {seconds:.1f} s",
             f"{whole:,.0f}", "1"]]  # fmt: skip
    for (name, t), n in zip(times.items(), counts, strict=True):
        body.append([f"{name} ({n:,} networks)", f"{n / t:,.0f}", f"{whole / (n / t):.2f}"])
    return markdown("Networks a second", ["", "networks / s", "the first is faster by"], body)


def by_numpy(rows: np.ndarray) -> np.ndarray:
    """Return the fluctuation of each layer of networks, as one writes it over stacked arrays."""
    n, at, size = len(rows), 0, 32
    strengths = [np.zeros((n, 1, size, size))]
    for n_in, n_out in pairwise(CHANNELS):
        kernel = rows[:, at : at + 9 * n_in * n_out].reshape(n, 3, 3, n_in, n_out)
        bias = rows[:, at + 9 * n_in * n_out :][:, :n_out]
        at += 9 * n_in * n_out + n_out
        size = (size - 3) // 2 + 1
        into, out = kernel.sum((1, 2, 3), np.float64), kernel.sum(4, np.float64)
        for i in range(3):
            for j in range(3):
                rows_, columns = slice(i, i + 2 * size - 1, 2), slice(j, j + 2 * size - 1, 2)
                strengths[-1][:, :, rows_, columns] += out[:, i, j][:, :, None, None]
        made = np.broadcast_to((into + bias)[:, :, None, None], (n, n_out, size, size))
        strengths.append(made.copy())
    dense = rows[:, at : at + 160].reshape(n, 16, 10)
    strengths += [dense.sum(2, np.float64), dense.sum(1, np.float64) + rows[:, at + 160 :]]
    return np.stack([own.reshape(n, -1).std(1) for own in strengths], 1)


def _memory(folder: str, size: str) -> str:
    rows = []
    for n in (FEW[size], MANY[size]):
        table, written = apart(memory_of, folder, n, ""), apart(memory_of, folder, n, "out")
        rows.append([f"{n:,}", f"{table['table']:,.0f} MiB", f"{table['peak']:,.0f} MiB",
                     f"{written['peak']:,.0f} MiB"])  # fmt: skip
    header = ["networks", "the table", "analyze", "write_analysis"]
    return markdown("Memory beyond what the interpreter had, at most", header, rows)


def memory_of(folder: str, n: int, out: str) -> dict[str, float]:
    """Return the memory that an analysis takes besides that of the process before it."""
    zoo = cg.Population.from_cnn_zoo(folder)
    zoo[:64].analyze()
    memory.forget_peak()
    before, found = memory.now(), 0.0
    if out:
        with tempfile.TemporaryDirectory() as here:
            zoo[:n].write_analysis(Path(here, "layers"), show_progress=False)
    else:
        found = zoo[:n].analyze().memory_usage().sum() / 2**20
    return {"table": found, "peak": memory.peak() - before}
