"""Models larger than the memory that they are measured in: bfloat16 in shards.

    python -m benchmarks --only larger_than_memory [--size full]

Writes a model with the names and shapes of a LLaMA into a temporary folder (random finite values),
measures `load`, `analyze` and `node_strength` in a process of its own, and removes the folder. The
full size has 1, 4 and 16 GB. Files are read from the system's memory, and once more from the disk,
after the system was told to forget them. The time of the processors says what measuring costs
besides reading: where both keep all cores busy, nothing can overlap.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import peak
from benchmarks.timing import markdown
from cntgraph.core.parallel import ordered_map

HIDDEN, INNER, ENTRIES, N_SHARDS = 2048, 5632, 32000, 4


TITLE = "Larger than memory"


def tables(size: str) -> Iterator[str]:
    """Yield a table for each size of model."""
    for gigabytes in (1, 4, 16) if size == "full" else (1,):
        yield table(gigabytes)


def table(gigabytes: int) -> str:
    """Write a model, read it, measure it, and remove it."""
    check_disk(1.1e9 * gigabytes)
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(Path(folder), gigabytes * 1e9)
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


def check_disk(needed: float) -> None:
    """Raise if there is no room for a model."""
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(f"{needed / 1e9:.1f} GB are needed in {place}, {free / 1e9:.1f} GB are free")


# -- the model ------------------------------------------------------------------------------------


def tensors(n_bytes: float) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes until there are that many bytes."""
    yield "model.embed_tokens.weight", (ENTRIES, HIDDEN)
    left, k = n_bytes / 2 - 2 * ENTRIES * HIDDEN, 0
    while left > 0:
        layer = {
            "input_layernorm": (HIDDEN,),
            "mlp.down_proj": (HIDDEN, INNER),
            "mlp.gate_proj": (INNER, HIDDEN),
            "mlp.up_proj": (INNER, HIDDEN),
            "post_attention_layernorm": (HIDDEN,),
            **{f"self_attn.{name}_proj": (HIDDEN, HIDDEN) for name in "koqv"},
        }
        for name, shape in layer.items():
            yield f"model.layers.{k}.{name}.weight", shape
            left -= prod(shape)
        k += 1
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (ENTRIES, HIDDEN)


def write_model(folder: Path, n_bytes: float) -> int:
    """Write the shards and their index; return how many bytes the tensors take."""
    listed = list(tensors(n_bytes))
    total = sum(2 * prod(shape) for _, shape in listed)
    shards: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(N_SHARDS)]
    written = 0
    for name, shape in listed:
        shards[min(written * N_SHARDS // total, N_SHARDS - 1)].append((name, shape))
        written += 2 * prod(shape)
    index = {}
    rng = np.random.default_rng(0)
    for k, shard in enumerate(shards, start=1):
        name = f"model-{k:05}-of-{N_SHARDS:05}.safetensors"
        write_shard(folder / name, shard, rng)
        index |= {tensor: name for tensor, _ in shard}
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    return total


def write_shard(
    path: Path, shard: list[tuple[str, tuple[int, ...]]], rng: np.random.Generator
) -> None:
    header, at = {}, 0
    for name, shape in shard:
        end = at + 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, shape in shard:
            left = prod(shape)
            while left:
                n = min(left, 1 << 22)
                # Any sign and mantissa, exponents from 2**-16 to 2**-1.
                bits = rng.integers(0, 1 << 16, n, dtype=np.uint16)
                bits = (bits & 0x87FF) + np.uint16(0x3780)
                file.write(bits.tobytes())
                left -= n


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
