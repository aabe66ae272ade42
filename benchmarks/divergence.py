"""How estimates of a divergence approach its value as samples grow.

Pairs of distributions whose divergences are known by quadrature; for each kind and each way to
estimate it (``on="kde"``, ``on="samples"``), the median and the spread of its error over draws. Two
constants have no value to approach: what is returned is shown.

    python -m benchmarks --only divergence
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import integrate, stats

from benchmarks.timing import markdown
from cntgraph import divergence
from cntgraph.core.progress import progress
from cntgraph.training.statistics.divergence import INFORMATION

SIZES = (100, 1_000, 10_000, 100_000)
N_DRAWS = 20
PAIRS: dict[str, tuple[Any, Any]] = {
    "N(0,1), N(0.5,1)": (stats.norm(0, 1), stats.norm(0.5, 1)),
    "N(0,1), N(0,2)": (stats.norm(0, 1), stats.norm(0, 2)),
    "N(0,1), N(4,1)": (stats.norm(0, 1), stats.norm(4, 1)),
    "N(0,1), t(3)": (stats.norm(0, 1), stats.t(3)),
    "U(0,1), U(0.25,1.25)": (stats.uniform(0, 1), stats.uniform(0.25, 1)),
}


def exact(p: Any, q: Any, kind: str) -> float:
    """Return the divergence of two distributions by quadrature."""

    def relative(a: Any, b: Any) -> float:
        def part(x: float) -> float:
            return float(a.pdf(x) * (a.logpdf(x) - b(x))) if a.pdf(x) > 0 else 0.0

        points = [-4.0, -1.0, 0.0, 0.25, 1.0, 1.25, 4.0]
        return float(integrate.quad(part, -40, 40, limit=500, points=points)[0])

    if kind == "jensen_shannon":
        middle = lambda x: np.log((p.pdf(x) + q.pdf(x)) / 2)  # noqa: E731
        return (relative(p, middle) + relative(q, middle)) / 2
    if not np.isfinite(p.logpdf(1.25)) or not np.isfinite(q.logpdf(0.1)):
        return np.inf
    found = relative(p, q.logpdf)
    return found + relative(q, p.logpdf) if kind == "jeffreys" else found


def estimates(name: str, kind: str, on: str, rng: np.random.Generator) -> list[str]:
    """Return a row of the table: the value, and what is found from ever more samples."""
    p, q = PAIRS[name]
    row = [name, kind, on, f"{exact(p, q, kind):.4f}"]
    for n in SIZES:
        found = [
            divergence(p.rvs(n, random_state=rng), q.rvs(n, random_state=rng), kind, on=on)
            for _ in range(N_DRAWS)
        ]
        row.append(f"{np.median(found):.4f} ± {np.std(found):.4f}")
    return row


TITLE = "Estimates of divergences, in nats"


def tables(size: str) -> Iterator[str]:
    """Yield both tables."""
    rng = np.random.default_rng(0)
    cases = [
        (name, kind, on) for name in PAIRS for kind in INFORMATION for on in ("kde", "samples")
    ]
    rows = [estimates(*case, rng) for case in progress(cases, "cases", show=True)]
    sizes = [f"{n:,} samples" for n in SIZES]
    header = ["distributions", "kind", "on", "value", *sizes]
    yield markdown(f"Median and standard deviation of {N_DRAWS} estimates", header, rows)
    constants = [
        [kind, f"{divergence([1.0] * 5, [2.0] * 5, kind):.4f}"] for kind in INFORMATION
    ]  # fmt: skip
    yield markdown("Two constants, 1 and 2, by kernels", ["kind", "found"], constants)
