"""Run a function over chunks on several threads, with results in the order of the chunks.

Kernels release the GIL, so plain threads use every core; results come back in order, so that
merging them gives the same bits whatever the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

import numpy as np

from cntgraph.core.errors import CntGraphError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: The first of them that is set says how many threads to use.
_VARIABLES = ("CNTGRAPH_NUM_THREADS", "NUMBA_NUM_THREADS")

_limit: ContextVar[int | None] = ContextVar("cntgraph_threads", default=None)


@contextmanager
def limited_threads(limit: int) -> Iterator[None]:
    """Use no more threads in the ``with`` statement; other threads than this one are not bound.

    For work that is one of many that run side by side: each on all cores would be in the way of
    the others.

    Parameters
    ----------
    limit : int

    Examples
    --------
    >>> with limited_threads(1):
    ...     n_threads()
    1
    """
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


def n_threads() -> int:
    """Return how many threads to use: as the environment says, or the cores of this process.

    ``CNTGRAPH_NUM_THREADS`` says it, and where it is not set, ``NUMBA_NUM_THREADS``, which limits
    other packages' threads of compiled code as well.

    Returns
    -------
    int

    Raises
    ------
    CntGraphError
        If the variable that says it is not a positive integer.

    Examples
    --------
    >>> n_threads() >= 1
    True
    """
    limit = _limit.get()
    wanted = _wanted_threads()
    return wanted if limit is None else min(limit, wanted)


def _wanted_threads() -> int:
    for name in _VARIABLES:
        if wanted := os.environ.get(name, ""):
            if not wanted.isdecimal() or int(wanted) < 1:
                raise CntGraphError(f"expected {name} to be a positive integer, got {wanted!r}")
            return int(wanted)
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order, computing a few ahead on threads.

    Parameters
    ----------
    function : callable
        Called once an item; should release the GIL for most of its time.
    items : iterable
        What to call it with.
    threads : int, optional
        Number of threads; default `n_threads()`. With one, and within a function that is mapped
        so itself, it is called where the results are asked for.

    Yields
    ------
    object
        The results, in the order of `items`.

    Examples
    --------
    >>> list(ordered_map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    threads = n_threads() if threads is None else threads
    if threads == 1 or getattr(_own, "works", False):
        yield from map(function, items)
        return
    pool = _pool(threads)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            # A bounded queue keeps at most a few results in memory.
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:  # nothing is left at work behind the caller's back
        for future in pending:
            future.cancel()
        wait(pending)


#: What is known of a thread: `works`, if it belongs to a pool.
_own = threading.local()


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that are kept: starting them takes as long as adding up a small layer."""
    return ThreadPoolExecutor(threads, "cntgraph", initializer=lambda: setattr(_own, "works", True))


if hasattr(os, "register_at_fork"):  # no thread lives on in a process that was forked
    os.register_at_fork(after_in_child=_pool.cache_clear)


@lru_cache(maxsize=1)
def keep_freed_chunks() -> None:
    """Let the C library keep the memory of a chunk that is freed for the next one.

    That of Linux gives large blocks back to the system at once, and a chunk on fresh memory costs
    more page faults than computing with it. Freeing one block of up to 32 MiB raises for good what
    is large to it. That block is never written to, and takes no memory.
    """
    np.empty((32 << 20) - (1 << 16), np.uint8)
