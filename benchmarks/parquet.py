"""Edges as Parquet: how fast they are written, and what DuckDB and Dask then make of them.

    python -m benchmarks --only parquet [--size full]

A convolutional network is unrolled chunk by chunk; the full size has 10⁹ edges (about 9 GB).
Strengths are then added up by the engines, which hold no more than they need, and compared with
the closed form. Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import forget_peak, now, peak
from benchmarks.timing import markdown

TITLE = "Edges as Parquet"


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    side = 160 if size == "full" else 48
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder, "graph"))
        n_edges, seconds, mebibytes = apart(write, side, target)
        n_bytes = sum(path.stat().st_size for path in Path(target).rglob("*.parquet"))
        rows = [_row("cntgraph, write_parquet", n_edges, seconds, mebibytes)]
        for name, engine in (("DuckDB", duckdb_strengths), ("Dask", dask_strengths)):
            seconds, mebibytes, difference = apart(engine, side, target)
            rows.append([*_row(f"{name}, strengths", n_edges, seconds, mebibytes)[:-1],
                         f"{difference:.0e}"])  # fmt: skip
    title = f"{n_edges:,} edges, {n_bytes / 1e9:.2f} GB of files"
    header = ["", "time", "", "memory beyond the start", "largest relative difference"]
    yield markdown(title, header, rows)


def _row(name: str, n_edges: int, seconds: float, mebibytes: float) -> list[str]:
    rate = f"{n_edges / seconds / 1e6:.1f} M edges/s"
    return [name, f"{seconds:.1f} s", rate, f"{mebibytes:,.0f} MiB", ""]


def network(side: int) -> cg.Network:
    """Two convolutions on square images."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(),
                          nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())  # fmt: skip
    return cg.load(model, input_shape=(3, side, side))


def write(side: int, folder: str) -> list[float]:
    """Return the number of edges, the seconds to write them, and the memory in MiB it takes."""
    net = network(side)
    cg.write_parquet(cg.toy("cnn"), folder + "-first", show_progress=False)  # loads libraries
    forget_peak()
    before, start = now(), perf_counter()
    cg.write_parquet(net, folder, show_progress=False)
    return [net.n_edges, perf_counter() - start, peak() - before]


def duckdb_strengths(side: int, folder: str) -> list[float]:
    """Return seconds, MiB and the largest relative difference of the sums that DuckDB finds."""
    import duckdb

    forget_peak()
    before, start = now(), perf_counter()
    edges = f"read_parquet('{folder}/edges/*/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(
        f"SELECT node, sum(weight::DOUBLE) AS s FROM (SELECT source AS node, weight FROM {edges} "
        f"UNION ALL SELECT target, weight FROM {edges}) GROUP BY node"
    ).fetchnumpy()
    return [perf_counter() - start, peak() - before, _difference(side, found["node"], found["s"])]


def dask_strengths(side: int, folder: str) -> list[float]:
    """Return the same, as Dask finds them."""
    import dask.dataframe as dd

    forget_peak()
    before, start = now(), perf_counter()
    columns = ["source", "target", "weight"]
    edges = dd.read_parquet(f"{folder}/edges", columns=columns, split_row_groups=4)
    edges["weight"] = edges["weight"].astype("float64")
    out, into = (edges.groupby(side)["weight"].sum() for side in ("source", "target"))
    found = out.compute().add(into.compute(), fill_value=0.0)
    seconds = perf_counter() - start
    return [seconds, peak() - before, _difference(side, found.index.to_numpy(), found.to_numpy())]


def _difference(side: int, nodes: np.ndarray, sums: np.ndarray) -> float:
    net = network(side)
    expected = cg.node_strength(net, edges="all", bias=False)
    found = np.zeros(net.n_nodes)
    found[nodes] = sums
    return float(np.abs(found - expected).max() / np.abs(expected).max())
