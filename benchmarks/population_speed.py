"""Populations: two workers against one, on processes and on a Dask cluster, as ratios in one run.

    python -m benchmarks --only population_speed

Networks of one population are measured by `Population.analyze`, each worker on one thread;
starting processes is counted, starting a cluster is not, as it is there before. Needs
pip install -e '.[dask]'.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks.timing import markdown
from cntgraph.training import Population

#: Dense layers of each network: 5.9 million weights, some 70 ms on one core.
SIZES = (784, 1536, 1536, 1536, 10)


TITLE = "Populations on two workers"
#: Networks, how many of their files are no links, and rounds.
NETWORKS, DIFFERENT, ROUNDS = 300, 30, 3


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_networks(Path(folder), NETWORKS, DIFFERENT)
        population = Population.from_files(f"{folder}/*.h5")
        yield table_of(measure(population, ROUNDS), population)


def write_networks(folder: Path, n: int, n_different: int) -> None:
    """Write a file a network; beyond some, files are links to these, to spare the disk."""
    rng = np.random.default_rng(0)
    for k in range(n):
        path = folder / f"{k:03}.h5"
        if k < n_different:
            tensors = [rng.standard_normal(shape, dtype=np.float32) for shape in pairwise(SIZES)]
            cg.save(cg.load(tensors), path, accuracy=k / n)
        else:
            os.link(folder / f"{k % n_different:03}.h5", path)


def measure(population: Population, rounds: int) -> dict[str, float]:
    """Return the median seconds of each way, run in turn; all tables must be the same."""
    expected = population.analyze()
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, n_workers in (("processes", 1), ("processes", 2), ("Dask", 1), ("Dask", 2)):
            with workers(name, n_workers) as client:
                start = time.perf_counter()
                table = population.analyze(client=client, show_progress=True)
                seconds = time.perf_counter() - start
            pd.testing.assert_frame_equal(table, expected, check_exact=True)
            times.setdefault(f"{name}, {n_workers}", []).append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


@contextmanager
def workers(name: str, n: int) -> Iterator[object]:
    """Give what `client=` takes for so many workers."""
    if name == "processes":
        os.environ["CNTGRAPH_NUM_THREADS"] = str(n)
        try:
            yield "processes"
        finally:
            del os.environ["CNTGRAPH_NUM_THREADS"]
        return
    from distributed import Client, LocalCluster

    options = {"n_workers": n, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.run(lambda: cg.analyze(cg.toy("mlp")).shape)  # what is compiled is loaded
        yield client


def table_of(times: dict[str, float], population: Population) -> str:
    """Return the table, and what it is of."""
    n = len(population)
    rows = []
    for name in ("processes", "Dask"):
        one, two = times[f"{name}, 1"], times[f"{name}, 2"]
        rows.append([name, f"{one:.1f} s", f"{1e3 * one / n:.0f} ms", f"{two:.1f} s",
                     f"{one / two:.2f}×"])  # fmt: skip
    header = ["", "one worker", "a network", "two workers", "two are faster by"]
    weights = sum(a * b for a, b in pairwise(SIZES))
    return markdown(f"{n} networks of {weights:,} weights each, a file a network", header, rows)
