"""A dense block against memory, in every stored type: how much of its read bandwidth is used.

    python benchmarks/dense.py [--output benchmarks/results/dense.md] [--rounds 7]

`node_strength` needs the signed sums of rows and columns, `analyze` the moments and extremes as
well. Beside them, in the same run: reading every byte once, and NumPy's two sums in float64.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
from numba import njit
from timing import compare, machine, markdown

import cntgraph as cg
from cntgraph.core.parallel import ordered_map
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense

SHAPE = 16384, 8192
DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
HEADER = ["", "reading it", "node_strength", "of the bandwidth", "analyze", "of the bandwidth",
          "NumPy, two sums"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    values = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    rows = []
    for dtype in DTYPES:
        rows.append(row(values.astype(getattr(ml_dtypes, dtype, dtype)), options.rounds))
        print(" | ".join(rows[-1]), flush=True)
    title = f"Dense block, {SHAPE[0]} × {SHAPE[1]}: one pass over memory"
    text = f"# Dense blocks\n\n`python benchmarks/dense.py` on {machine()}.\n\n"
    text += markdown(title, HEADER, rows)
    print(text)
    if options.output is not None:
        options.output.write_text(text)


def row(weights: np.ndarray, rounds: int) -> list[str]:
    """Return the row of the table for a matrix of one type."""
    n_rows, n_columns = weights.shape
    source, target = View((n_columns,), 0), View((n_rows,), n_columns)
    weight = Recipe.of(cg.Parameter.from_array("w", weights))
    block = Dense(name="fc", source=source, target=target, weight=weight)
    candidates: dict[str, Callable[[], object]] = {
        "read": lambda: read(weights),
        "node_strength": lambda: block.sums("signed"),
        "analyze": lambda: block.sums_and_statistics(("signed",), statistics=True),
    }
    times = compare(candidates, rounds)
    # Many times slower for narrow types, and by itself: it would be all of the waiting.
    times |= compare({"numpy": lambda: numpy_sums(weights)}, rounds=1)
    return [weights.dtype.name, f"{weights.nbytes / times['read'] / 1e9:.1f} GB/s"] + [
        text
        for name in ("node_strength", "analyze")
        for text in (f"{1e3 * times[name]:.1f} ms", f"{times['read'] / times[name]:.0%}")
    ] + [f"{1e3 * times['numpy']:.0f} ms"]  # fmt: skip


def numpy_sums(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and column sums in float64; NumPy adds up its own types only."""
    own = weights if weights.dtype.kind == "f" else weights.astype(np.float32)
    return own.sum(0, np.float64), own.sum(1, np.float64)


@njit(nogil=True)
def _sum(words: np.ndarray) -> int:
    total = np.uint64(0)
    for i in range(words.size):
        total += words[i]
    return total


def read(weights: np.ndarray) -> int:
    """Read every byte once, on all cores: what the memory gives."""
    words, step = weights.reshape(-1).view(np.uint64), 1 << 18
    parts = (words[k : k + step] for k in range(0, words.size, step))
    return sum(int(found) for found in ordered_map(_sum, parts))


if __name__ == "__main__":
    main()
