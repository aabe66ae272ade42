"""Models larger than the memory that they are measured in: bfloat16 in shards.

    python -m benchmarks --only larger_than_memory [--size full]

Writes a model with the names and shapes of a LLaMA into a temporary folder (random finite values),
measures `load`, `analyze` and `node_strength` in a process of its own, and removes the folder. The
full size has 1, 4 and 16 GB. Files are read from the system's memory, and once more from the disk,
after the system was told to forget them. The time of the processors says what measuring costs
besides reading: where both keep all cores busy, nothing can overlap.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.llama import Llama, check_disk, write_model
from benchmarks.memory import peak
from benchmarks.timing import markdown
from cntgraph.core.parallel import ordered_map

N_SHARDS = 4


TITLE = "Larger than memory"


def tables(size: str) -> Iterator[str]:
    """Yield a table for each size of model."""
    for gigabytes in (1, 4, 16) if size == "full" else (1,):
        yield table(gigabytes)


def table(gigabytes: int) -> str:
    """Write a model, read it, measure it, and remove it."""
    check_disk(1.1e9 * gigabytes)
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(Path(folder), Llama.of_bytes(gigabytes * 1e9), N_SHARDS)
        reading = read_everything(Path(folder))
        found = apart(measure, folder)
    rows = [_row("reading the files and nothing else", size, reading["memory"], reading["memory"])]
    rows += [_row(name, size, found[name], reading["memory"]) for name in ("load", *MEASURES)]
    rows.append(_row("reading them from the disk", size, reading["disk"], reading["disk"]))
    rows += [
        _row(f"{name}, from the disk", size, found[f"{name}, disk"], reading["disk"])
        for name in MEASURES
    ]
    title = f"{size / 1e9:.2f} GB of bfloat16 in {N_SHARDS} shards, {found['n_edges']:,.0f} edges"
    header = ["", "time", "weights read", "of the rate of reading", "time of all processors"]
    peak_memory = f"\nPeak memory of the process: {found['peak']:,.0f} MiB.\n"
    return markdown(title, header, rows) + peak_memory


def _row(name: str, size: int, times: list[float], reading: list[float]) -> list[str]:
    seconds, busy = times
    share = f"{reading[0] / seconds:.0%}"
    return [name, f"{seconds:.2f} s", _rate(size, seconds), share, f"{busy:.2f} s"]


def _rate(n_bytes: int, seconds: float) -> str:
    return f"{n_bytes / seconds / 1e9:.2f} GB/s"


# -- measuring ------------------------------------------------------------------------------------


def read_everything(folder: Path) -> dict[str, list[float]]:
    """Return how long it takes to read all shards with as many threads as cntgraph has."""
    step = 1 << 21
    parts = [
        (path, start)
        for path in sorted(folder.glob("*.safetensors"))
        for start in range(0, path.stat().st_size, step)
    ]

    def read(part: tuple[Path, int]) -> None:
        path, start = part
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            file.readinto(bytearray(step))

    def read_all() -> None:
        for _ in ordered_map(read, parts):
            pass

    forget(folder)
    from_disk = timed(read_all)
    return {"disk": from_disk, "memory": timed(read_all)}


def forget(folder: Path) -> None:
    """Let the system forget what it has of the files in memory (Linux)."""
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            os.fsync(file.fileno())  # only what is on the disk can be forgotten
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(call: Callable[[], object]) -> list[float]:
    """Return the seconds of a call, and those of all processors in this process."""
    start, busy = time.perf_counter(), time.process_time()
    call()
    return [time.perf_counter() - start, time.process_time() - busy]


def measure(folder: str) -> dict[str, Any]:
    """Return times and the peak memory of this process; nothing else is done in it."""
    found: dict[str, Any] = {}

    def load() -> None:
        found["net"] = cg.load(folder)

    found["load"] = timed(load)
    net = found.pop("net")
    cg.analyze(cg.toy("mlp"))  # compiles, or reads what was compiled
    for name, call in MEASURES.items():
        call(net)
        found[name] = timed(lambda call=call: call(net))
        forget(Path(folder))
        found[f"{name}, disk"] = timed(lambda call=call: call(net))
    return found | {"n_edges": float(net.n_edges), "peak": peak()}


MEASURES: dict[str, Callable[[cg.Network], object]] = {
    "analyze": cg.analyze,
    "node_strength": cg.node_strength,
}
