"""Trajectories: snapshots of the demo's CNN, read and measured from files of both forms.

    python -m benchmarks --only trajectory_speed

One form has a group a snapshot, as before format version 5; the other a dataset a parameter, of
which a snapshot is a row. Files are in the system's cache; opening them is counted. Times are those
of the processor, on one thread: other work on the machine, and waits for the disk, are not in them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

import cntgraph as cg
from benchmarks.timing import Seconds, markdown
from cntgraph.core.parallel import limited_threads
from cntgraph.network.network import Network
from cntgraph.store.hdf5 import LIBVER, append
from cntgraph.store.writer import write_snapshot, write_topology

TITLE = "Trajectories from files"
#: Snapshots of a file: of those that are read many at a time, and one by one; rounds.
MANY, FEW, ROUNDS, APPENDED = 1024, 64, 5, 25


def tables(size: str) -> Iterator[str]:
    """Yield the tables."""
    with tempfile.TemporaryDirectory() as folder, limited_threads(1):
        files = write_files(Path(folder))
        yield _read(files)
        yield _appended(files)


def snapshots(n: int) -> Iterator[Network]:
    """Yield the demo's CNN with random weights, n times."""
    rng = np.random.default_rng(0)
    with cg.open(cg.demo_file("training")) as trajectory:
        net = trajectory[0]
    for k in range(n):
        values = {
            name: cg.Parameter.from_array(name, rng.normal(size=p.shape).astype(p.dtype))
            for name, p in net.parameters.items()
        }
        yield net.bind(values, {"step": k, "epoch": k / 4, "accuracy": 0.5})


def write_files(folder: Path) -> dict[str, Path]:
    """Return a file of each form, by what it is."""
    names = ("groups", "rows", "packed")
    groups, rows, packed = (folder / f"{name}.h5" for name in names)
    with h5py.File(groups, "w", libver=LIBVER) as file:
        for k, net in enumerate(snapshots(FEW)):
            if k == 0:
                write_topology(file, net)
            write_snapshot(file, net.parameters, net.labels)
    cg.save(snapshots(MANY), rows)
    cg.repack(rows, packed, compression=4)
    return {"a group a snapshot (versions 1 to 4)": groups,
            "a row a snapshot (version 5)": rows, "the same, packed by gzip": packed}  # fmt: skip


def analyze(path: Path) -> int:
    """Return how many rows `Trajectory.analyze` finds in a file."""
    with cg.open(path) as trajectory:
        return len(trajectory.analyze())


def one_by_one(path: Path) -> None:
    """Read the weights of some snapshots, a network at a time."""
    with cg.open(path) as trajectory:
        for net in islice(trajectory, FEW):
            for parameter in net.parameters.values():
                parameter.raw()


def compare(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Return the median processor time of each, in turn; each is run once before."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for k in range(rounds + 1):
        for name, call in candidates.items():
            start = time.process_time()
            call()
            times[name] += [time.process_time() - start] * (k > 0)
    return {name: Seconds(values) for name, values in times.items()}


def _read(files: dict[str, Path]) -> str:
    counts = {name: len(cg.open(path)) for name, path in files.items()}
    whole = compare({name: partial(analyze, path) for name, path in files.items()}, ROUNDS)
    each = compare({name: partial(one_by_one, path) for name, path in files.items()}, ROUNDS)
    first = next(iter(files))
    body = []
    for name, path in files.items():
        speed, before = counts[name] / whole[name], counts[first] / whole[first]
        body.append([name, f"{speed:,.0f}", f"{speed / before:.1f}", f"{FEW / each[name]:,.0f}",
                     f"{path.stat().st_size / counts[name]:,.0f}"])  # fmt: skip
    header = ["", "`Trajectory.analyze`, snapshots / s", "the first is slower by",
              "weights alone, one by one, snapshots / s", "bytes of a snapshot"]  # fmt: skip
    return markdown("The demo's CNN (3,706 parameters in 18 tensors)", header, body)


def _appended(files: dict[str, Path]) -> str:
    (net,) = snapshots(1)

    def record(path: Path) -> None:
        with append(path) as file:
            write_snapshot(file, net.parameters, net.labels)

    times = compare({name: partial(record, path) for name, path in files.items()}, APPENDED)
    body = [[name, str(seconds)] for name, seconds in times.items()]
    return markdown("One snapshot more, safe on the disk", ["", "append, without waits"], body)
