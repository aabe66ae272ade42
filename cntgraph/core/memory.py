"""Memory: what is needed held against what there is, before it is taken.

A file of a few bytes can describe a network of a billion nodes. Systems promise memory that they do
not have, and end the process, or another one, once it is used.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cntgraph.core.errors import GraphSizeError

#: Less than this is taken without asking.
_ALWAYS = 1 << 28


def check_memory(nbytes: int, what: str) -> None:
    """Raise if there is not as much memory as something needs.

    Parameters
    ----------
    nbytes : int
        About how many bytes it needs.
    what : str
        What needs them, as the beginning of the message.

    Raises
    ------
    GraphSizeError

    Examples
    --------
    >>> check_memory(1 << 60, "a graph of all neurons")
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.GraphSizeError: a graph of all neurons needs about 1.07e+09 GiB ...
    """
    if nbytes <= _ALWAYS:
        return
    available = available_memory()
    if nbytes > available:
        raise GraphSizeError(
            f"{what} needs about {nbytes / 2**30:.3g} GiB of memory, {available / 2**30:.3g} GiB "
            "are free; choose a smaller input, or a machine with more memory"
        )


def available_memory() -> int:
    """Return how many bytes this process may still take; where the system does not say, a lot.

    Returns
    -------
    int

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    limits = [sys.maxsize, *_in_the_machine(), *_of_the_process()]
    return max(min(limits), 0)


def _in_the_machine() -> list[int]:
    """Return what is free in the machine or the container, on Linux."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.partition(":")[0]: line.split()[1] for line in lines}
        found.append(1024 * (int(sizes["MemAvailable"]) + int(sizes["SwapFree"])))
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, LookupError, ValueError):  # another system, or no limit
        pass
    return found


def _of_the_process() -> list[int]:
    """Return what a limit on the process (``ulimit -v``) leaves."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, LookupError, ValueError):
        return []
    return [] if limit == resource.RLIM_INFINITY else [limit - taken]
