"""The memory of a process, and how fast the machine's memory is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from benchmarks.timing import Seconds, compare
from cntgraph.core.parallel import ordered_map

#: Bytes of one part: few enough to be handed out evenly.
_PART = 1 << 23


def now() -> float:
    """Return the memory of this process in MiB (Linux)."""
    return _status("VmRSS")


def private() -> float:
    """Return the memory of this process without that of mapped files, in MiB (Linux)."""
    return _status("RssAnon")


def peak() -> float:
    """Return the most memory that this process has had since `forget_peak`, in MiB (Linux)."""
    # Not getrusage: its peak includes that of the process that started this one.
    return _status("VmHWM")


def forget_peak() -> None:
    """Let peaks start anew from what this process has now."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


# Of words, whatever the bytes mean: adding these up is never what takes the time.
@njit(nogil=True)
def _sum(words: np.ndarray) -> int:
    total = np.uint64(0)
    for k in range(words.size):
        total += words[k]
    return total


@njit(nogil=True)
def _fill(words: np.ndarray) -> int:
    for k in range(words.size):
        words[k] = k
    return 0


def read(values: np.ndarray[Any, Any]) -> None:
    """Read an array once, on all cores: what the memory gives."""
    # On cntgraph's own threads: another pool's would still spin while the next candidate runs.
    for _ in ordered_map(_sum, _parts(values)):
        pass


def write(values: np.ndarray[Any, Any]) -> None:
    """Write an array once, on all cores."""
    for _ in ordered_map(_fill, _parts(values)):
        pass


def _parts(values: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    octets = values.reshape(-1).view(np.uint8)
    words = octets[: octets.size // 8 * 8].view(np.uint64)
    step = _PART // words.itemsize
    return (words[k : k + step] for k in range(0, words.size, step))


def rates(n_bytes: int = 1 << 28) -> dict[str, float]:
    """Return how many bytes a second are read, written to memory in use, and to fresh memory."""
    used = np.ones(n_bytes // 4, np.float32)
    times: dict[str, Seconds] = compare(
        {
            "read": lambda: read(used),
            "write": lambda: write(used),
            "write fresh": lambda: write(np.empty(n_bytes // 4, np.float32)),
        }
    )
    return {name: n_bytes / seconds for name, seconds in times.items()}
