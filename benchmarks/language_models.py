"""Folders of language models: their graph and their weights alone, of 1, 7 and 70 billion weights.

    python -m benchmarks --only language_models [--size full]

Writes folders with the names, shapes and configurations of LLaMAs into a temporary folder, and
measures `load`, `describe` and `analyze`, each way in a process of its own. Those of random values
are 2.5 GB, in the full size 13.5 GB; those of 70 billion weights are holes, files that take no
disk, and are described only. Importing `transformers` with PyTorch is a line of its own: it takes
as long for a model of any size. Files are read from the system's memory.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.apart import apart
from benchmarks.larger_than_memory import read_everything, timed
from benchmarks.llama import Llama, check_disk, write_model
from benchmarks.memory import peak
from benchmarks.timing import markdown

TITLE = "Folders of language models"

SMALL, SEVEN = Llama(), Llama(4096, 11008, 32000, 4096, 32)
SEVENTY = Llama(8192, 28672, 128256, 1024, 80)
WAYS = {"graph": "the graph", "alone": "weights alone"}


def tables(size: str) -> Iterator[str]:
    """Yield a table for a model with values, and one for a model of holes."""
    yield table(SEVEN if size == "full" else SMALL)
    yield table(SEVENTY, holes=True)


def table(model: Llama, *, holes: bool = False) -> str:
    """Write a folder, describe and analyze it, and remove it."""
    check_disk(1e7 if holes else 1.05 * model.n_bytes)
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(Path(folder), model, holes=holes)
        (Path(folder) / "config.json").write_text(json.dumps(model.configuration()))
        reading = 0.0 if holes else read_everything(Path(folder))["memory"][0]
        found = {way: apart(measure, folder, way, not holes) for way in WAYS}
    rows = [] if holes else [["reading the files and nothing else", f"{reading:.2f} s", "", ""]]
    for way, called in WAYS.items():
        rows += [_row(f"{called}: {what}", *found[way][what], reading, size)
                 for what in found[way]]  # fmt: skip
    what = "holes, which take no disk" if holes else "random values"
    title = f"{size / 2e9:.1f} billion weights, {size / 1e9:.1f} GB of bfloat16 ({what})"
    return markdown(title, ["", "time", "of the rate of reading", "peak memory so far"], rows)


def _row(name: str, seconds: float, memory: float, reading: float, size: int) -> list[str]:
    reads = reading and name.endswith("analyze")
    share = f"{reading / seconds:.0%} ({size / seconds / 1e9:.2f} GB/s)" if reads else ""
    return [name, f"{seconds:.2f} s", share, f"{memory:,.0f} MiB"]


def measure(folder: str, way: str, values: bool) -> dict[str, list[float]]:
    """Return seconds and the peak memory of this process after each step."""
    found: dict[str, list[float]] = {}
    start = time.perf_counter()
    import cntgraph as cg

    if way == "graph":
        import torch  # noqa: F401
        from transformers import LlamaForCausalLM  # noqa: F401

        found["imports of PyTorch and transformers"] = [time.perf_counter() - start, peak()]
    options: dict[str, Any] = {} if way == "graph" else {"description": "separate"}
    nets: list[cg.Network] = []
    load = timed(lambda: nets.append(cg.load(folder, **options)))[0]
    found["load"] = [load, peak()]
    describe = timed(lambda: cg.describe(nets[0]))[0]
    found["load and describe"] = [load + describe, peak()]
    if values:
        cg.analyze(cg.toy("mlp"))  # compiles, or reads what was compiled
        found["analyze"] = [timed(lambda: cg.analyze(nets[0]))[0], peak()]
    return found
