"""Packed weights: whether each format is read as its own library does, and how much for a part.

    python benchmarks/packed.py [--output FILE.md]

Small files that the libraries have written (`tests/oracles`), and one of each packed type of GGUF.
Needs pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.registry import builtin
from cntgraph.adapters.weights.stored import StoredArray

TESTS = Path(__file__).parent.parent / "tests"
ROWS = 4
_MADE_BY = {"gptq": "AutoGPTQ", "awq": "AutoAWQ", "ct": "compressed-tensors", "mlx": "MLX",
            "bnb": "bitsandbytes", "mxfp4": "transformers (gpt-oss)"}  # fmt: skip
_COLUMNS = ("format", "unpacked by", "shape", "largest difference, of the largest value",
            f"bytes read for {ROWS} rows", "of", "peak memory for these, kB")  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [_COLUMNS, ("---",) * len(_COLUMNS), *_rows(Path(folder))]
    text = "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
    print(text)
    if options.output is not None:
        options.output.write_text(text)


def _rows(folder: Path) -> Iterator[tuple[Any, ...]]:
    from oracles import gguf_files
    from oracles.packed_files import cases

    for name, (data, settings, expected) in cases().items():
        if name == "bnb_int8":
            continue  # a recipe of two tensors
        path = folder / "model.safetensors"
        path.write_bytes(data)
        (folder / "config.json").write_text(settings or "{}")
        yield name, _MADE_BY[name.partition("_")[0]], *_measured("safetensors", path, expected)
    rng = np.random.default_rng(0)
    for kind in gguf_files.KINDS:
        raw = gguf_files.random_bytes(kind, (32, 1024), rng)
        path = gguf_files.write(folder / "model.gguf", {"fc.weight": (kind, raw)})
        with np.errstate(all="ignore"):
            expected = gguf_files.values(kind, raw)
        yield f"gguf {kind.name}", "gguf", *_measured("gguf", path, expected)


def _measured(adapter: str, path: Path, expected: Any) -> tuple[Any, ...]:
    """Return what is to be said of the only weight of a file."""
    (weight,) = builtin(adapter, "the table").parameters(path).values()
    with np.errstate(all="ignore"):
        difference = np.nanmax(np.abs(weight.read() - expected)) / np.nanmax(np.abs(expected))
    taken: list[int] = []
    whole = StoredArray.__getitem__

    def counted(array: StoredArray, key: Any) -> Any:
        found = whole(array, key)
        taken.append(found.nbytes)
        return found

    axis = len(weight.shape) - 2
    StoredArray.__getitem__ = counted  # type: ignore[method-assign]
    try:
        tracemalloc.start()
        weight.read(axis, 8, 8 + ROWS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        StoredArray.__getitem__ = whole  # type: ignore[method-assign]
    shape = " × ".join(map(str, weight.shape))
    return shape, f"{difference:.1e}", sum(taken), path.stat().st_size, f"{peak / 1000:.0f}"


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    main()
