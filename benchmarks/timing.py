"""Fair timing for the benchmarks: candidates in turn, medians, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path


class Seconds(float):
    """A median of times, in seconds, and how far its quartiles lie apart, as a share of it."""

    spread: float

    def __new__(cls, times: list[float]) -> Seconds:
        """Take the median of some times."""
        found = super().__new__(cls, statistics.median(times))
        low, _, high = (
            statistics.quantiles(times, method="inclusive") if len(times) > 1 else [0] * 3
        )
        found.spread = (high - low) / found if found else 0.0
        return found

    def __str__(self) -> str:
        """Show milliseconds and the spread."""
        digits = 3 if self < 1e-3 else 2 if self < 1e-2 else 1 if self < 0.1 else 0
        return f"{1e3 * self:,.{digits}f} ms ± {self.spread / 2:.0%}"


def compare(candidates: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, Seconds]:
    """Return the median time in seconds of each candidate, run in turn round after round.

    Each is run once before, so that nothing is compiled or allocated for the first time.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for call in candidates.values():
        call()
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: Seconds(values) for name, values in times.items()}


def machine() -> str:
    """Return the machine and the date, for the head of a table of results."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, Python {platform.python_version()}, {date.today()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown(title: str, header: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown under a heading."""
    lines = [f"## {title}", "", "| " + " | ".join(header) + " |"]
    lines.append("|" + "---|" * len(header))
    lines.extend("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join(lines) + "\n"
