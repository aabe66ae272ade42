"""A dense block against memory, in every stored type: how much of its read bandwidth is used.

    python -m benchmarks --only dense

`node_strength` needs the signed sums of rows and columns, `analyze` the moments and extremes as
well. Beside them, in the same run: reading every byte once, and NumPy's two sums in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import ml_dtypes
import numpy as np

import cntgraph as cg
from benchmarks.memory import read
from benchmarks.timing import compare, markdown
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense

SHAPE = 16384, 8192
DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
HEADER = ["", "reading it", "node_strength", "of the bandwidth", "analyze", "of the bandwidth",
          "NumPy, two sums"]  # fmt: skip


TITLE = "Dense blocks"


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    values = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    rows = [row(values.astype(getattr(ml_dtypes, dtype, dtype))) for dtype in DTYPES]
    yield markdown(f"{SHAPE[0]} × {SHAPE[1]} weights: one pass over memory", HEADER, rows)


def row(weights: np.ndarray) -> list[str]:
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
    times = compare(candidates)
    # Many times slower for narrow types, and by itself: it would be all of the waiting.
    times |= compare({"numpy": lambda: numpy_sums(weights)}, rounds=1)
    return [weights.dtype.name, f"{weights.nbytes / times['read'] / 1e9:.1f} GB/s"] + [
        text
        for name in ("node_strength", "analyze")
        for text in (str(times[name]), f"{times['read'] / times[name]:.0%}")
    ] + [f"{1e3 * times['numpy']:.0f} ms"]  # fmt: skip


def numpy_sums(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and column sums in float64; NumPy adds up its own types only."""
    own = weights if weights.dtype.kind == "f" else weights.astype(np.float32)
    return own.sum(0, np.float64), own.sum(1, np.float64)
