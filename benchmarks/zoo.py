"""A zoo: many small networks of one topology, against NumPy over stacked arrays and one by one.

    python -m benchmarks --only zoo --size full    # 270,000 networks, 5.4 GB that it writes itself

The architecture is that of the Small CNN Zoo: three convolutions of 16 channels, global average
pooling, a dense layer; 4,970 parameters. Weights are random.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks import memory, stacked_numpy
from benchmarks.apart import apart
from benchmarks.timing import compare, markdown

TITLE = "A zoo of small networks"
#: Networks, by the size of the benchmark; networks that the slower ways are timed on.
NETWORKS = {"small": 20_000, "full": 270_000}
STACKED, ALONE = 1024, 32
LAYERS = ("conv2d_0", "conv2d_1", "conv2d_2", "dense")
#: Networks of which the memory is compared.
FEW, MANY = {"small": 5_000, "full": 10_000}, {"small": 20_000, "full": 200_000}


def tables(size: str) -> Iterator[str]:
    """Yield the tables."""
    with tempfile.TemporaryDirectory() as folder:
        write_zoo(Path(folder), NETWORKS[size])
        yield _speeds(folder)
        yield _memory(folder, size)


def write_zoo(folder: Path, n: int) -> None:
    """Write the three files of a zoo of n networks."""
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for layer, kernel in zip(LAYERS, stacked_numpy.KERNELS, strict=True):
        shapes += [(f"{layer}/kernel", kernel), (f"{layer}/bias", kernel[-1:])]
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
    mapped = np.load(Path(folder, "weights.npy"), mmap_mode="r")
    layout = Path(folder, "layout.csv")
    matrix = cg.Population.from_matrix(mapped, layout=layout, template=zoo[0])
    some, few, rows = matrix[:STACKED], [zoo[k] for k in range(ALONE)], mapped[:STACKED]
    _check(some[:ALONE].analyze(), stacked_numpy.analysis(rows[:ALONE]))
    files = [Path(folder, f"{k}.h5") for k in range(ALONE)]
    for net, path in zip(few, files, strict=True):
        cg.save(net, path)
    times = compare({
        "Population.analyze": some.analyze,
        "NumPy over stacked arrays: the same columns": lambda: stacked_numpy.analysis(rows),
        "NumPy over stacked arrays: fluctuation alone": lambda: stacked_numpy.fluctuation(rows),
        "one by one: load a file, analyze": lambda: [cg.analyze(cg.load(path)) for path in files],
        "one by one: analyze a network in memory": lambda: [cg.analyze(net) for net in few],
    }, rounds=5)  # fmt: skip
    counts = (STACKED, STACKED, STACKED, ALONE, ALONE)
    wholes = {"a file that is mapped": _seconds(matrix), "a file that is read": _seconds(zoo)}
    fastest = len(zoo) / min(wholes.values())
    body = [[f"**Population.analyze** of {len(zoo):,} networks, {name}, {seconds:.1f} s",
             f"{len(zoo) / seconds:,.0f}", f"{fastest / (len(zoo) / seconds):.3g}"]
            for name, seconds in wholes.items()]  # fmt: skip
    for (name, t), n in zip(times.items(), counts, strict=True):
        body.append([f"{name} ({n:,} networks)", f"{n / t:,.0f}", f"{fastest / (n / t):.3g}"])
    return markdown("Networks a second", ["", "networks / s", "the first is faster by"], body)


def _seconds(zoo: cg.Population) -> float:
    start = time.perf_counter()
    zoo.analyze()
    return time.perf_counter() - start


def _check(table: pd.DataFrame, by_numpy: dict[str, np.ndarray]) -> None:
    """Raise unless NumPy finds what is in a table, so that both do the same work."""
    for name, values in by_numpy.items():
        np.testing.assert_allclose(values.reshape(-1), table[name], rtol=1e-9, atol=1e-9)


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
