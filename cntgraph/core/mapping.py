"""Map a function over members: here, on threads, on processes, or on the machines of a cluster."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.parallel import limited_threads, n_threads
from cntgraph.core.progress import progress

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What stands for the result of an item that has none.
Instead = Callable[[Item, CntGraphError], Result]
#: What is under way: items, in order, and the futures of their results.
Waiting = deque[tuple[Any, Any]]

#: How often an item is tried that takes its process down with it.
ATTEMPTS = 4
#: Items of one call on a cluster, at most.
_MOST_TOGETHER = 8


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    client: Any = None,
    what: str = "analyze",
    show_progress: bool = True,
    instead: Instead[Item, Result] | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order, wherever it is computed.

    At most a few items a worker are under way, so that no more results than these wait in memory.
    A worker that dies costs time: what it was at is computed again.

    Parameters
    ----------
    function : callable
        What is called once an item. For processes and clusters it must be one that can be
        pickled, and so must items and results.
    items : sequence
        What it is called with.
    client : {None, "threads", "processes"}, str or dask.distributed.Client
        Where: here, one after the other; on as many threads or processes as
        ``CNTGRAPH_NUM_THREADS`` says, by default the cores; or on the workers of a Dask cluster,
        also by the address of its scheduler (``"tcp://host:8786"``). Anywhere but here, a call
        uses one thread.
    what : str, default "analyze"
        Shown before the progress bar.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.
    instead : callable, optional
        Called with an item that takes its process down again and again, and the error that says
        so: what it returns is yielded in the place of a result. By default the error is raised.

    Yields
    ------
    object
        The results, in the order of `items`.

    Raises
    ------
    CntGraphError
        If `client` is something else, or an item takes its process down again and again and
        there is nothing to yield instead.
    MissingExtraError
        If an address is given and Dask is not installed.

    Notes
    -----
    Processes are started anew (``spawn``), as compiled code and frameworks have threads that do
    not survive a fork: a script that uses them must do so under ``if __name__ == "__main__"``.

    Examples
    --------
    >>> list(map_ordered(abs, [-1, 2, -3], client="threads"))
    [1, 2, 3]
    """
    with closing(_mapper(client)(function, items, instead or _raised)) as results:
        for _ in progress(items, what, show=show_progress):
            yield next(results)


def _raised(item: Any, error: CntGraphError) -> Any:
    raise error


class _Mapper(Protocol):
    def __call__(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        instead: Instead[Item, Result],
        /,
    ) -> Any: ...


def check_client(client: Any) -> None:
    """Raise if `client` is nothing that `map_ordered` takes.

    Raises
    ------
    CntGraphError
    """
    _mapper(client)


def _mapper(client: Any) -> _Mapper:
    if client is None:
        return _here
    if client == "threads":
        return _on_threads
    if client == "processes":
        return _on_processes
    if isinstance(client, str) and "://" in client:
        return partial(_on_address, client)
    if all(hasattr(client, name) for name in ("submit", "scheduler_info", "asynchronous")):
        return partial(_on_dask, client)
    raise CntGraphError(
        "expected client to be None, 'threads', 'processes', a dask.distributed.Client or the "
        f"address of a scheduler such as 'tcp://host:8786'; got {client!r}"
    )


def _here(
    function: Callable[[Item], Result], items: Sequence[Item], _: Instead[Item, Result]
) -> Iterator[Result]:
    # Not map(): a generator can be closed like the others.
    yield from map(function, items)


def _alone(function: Callable[[Item], Result], item: Item) -> Result:
    """Call a function that is one of many at work: on one thread."""
    with limited_threads(1):
        return function(item)


def _take(waiting: Waiting) -> Any:
    return waiting.popleft()[1].result()


def _in_order(
    submit: Callable[[Item], Any],
    items: Iterable[Item],
    n_ahead: int,
    take: Callable[[Waiting], Any] = _take,
) -> Iterator[Any]:
    """Yield results in order, with at most `n_ahead` under way.

    `take` removes the first of what is under way, and returns its result.
    """
    waiting: Waiting = deque()
    for item in items:
        waiting.append((item, submit(item)))
        if len(waiting) >= n_ahead:
            yield take(waiting)
    while waiting:
        yield take(waiting)


# -- threads and processes ------------------------------------------------------------------------


def _on_threads(
    function: Callable[[Item], Result], items: Sequence[Item], _: Instead[Item, Result]
) -> Iterator[Result]:
    n = n_threads()
    pool = ThreadPoolExecutor(n, thread_name_prefix="cntgraph-members")
    try:
        yield from _in_order(lambda item: pool.submit(_alone, function, item), items, 2 * n)
    finally:
        pool.shutdown(cancel_futures=True)


def _on_processes(
    function: Callable[[Item], Result], items: Sequence[Item], instead: Instead[Item, Result]
) -> Iterator[Result]:
    _check_can_be_sent(function)
    n = n_threads()
    workers = _Processes(function, n, instead)
    try:
        yield from _in_order(workers.submit, items, 2 * n, workers.take)
    finally:
        workers.stop()


def _check_can_be_sent(function: Callable[..., Any]) -> None:
    try:
        pickle.dumps(function)
    except Exception as error:  # whatever the objects in it raise
        raise CntGraphError(
            "expected options that can be sent to other processes, got one that cannot be pickled "
            f"({type(error).__name__}: {error}); use client='threads'"
        ) from error


class _Processes:
    """Worker processes that are replaced when one of them dies."""

    def __init__(self, function: Callable[[Any], Any], n: int, instead: Instead[Any, Any]) -> None:
        self.function, self.n, self.instead = function, n, instead
        self.pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        return ProcessPoolExecutor(self.n, mp_context=get_context("spawn"))

    def stop(self) -> None:
        self.pool.shutdown(cancel_futures=True)

    def submit(self, item: Any) -> Future[Any]:
        """Return the future of an item; that of a pool which is broken already says so, too."""
        try:
            return self.pool.submit(_alone, self.function, item)
        except BrokenExecutor as error:
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken

    def take(self, waiting: Waiting) -> Any:
        """Return the first result, when what a dead process has taken with it is computed again.

        Every call under way is lost with it, and nobody knows which of them killed it: one after
        the other, each is found guilty or not.
        """
        if _is_broken(waiting[0][1]):
            self._restart()
            for k, (item, future) in enumerate(waiting):
                if _is_broken(future):
                    waiting[k] = item, self._computed(item)
        return _take(waiting)

    def _computed(self, item: Any) -> Future[Any]:
        for _ in range(ATTEMPTS - 1):
            future = self.submit(item)
            if not _is_broken(future):
                return future
            self._restart()
        error = CntGraphError(
            f"{item}: the process that works on it has died {ATTEMPTS} times (killed for want of "
            "memory?). If none gets through, a script must ask for processes under "
            "`if __name__ == '__main__':`"
        )
        without: Future[Any] = Future()
        without.set_result(self.instead(item, error))
        return without

    def _restart(self) -> None:
        self.stop()
        self.pool = self._new_pool()


def _is_broken(future: Future[Any]) -> bool:
    """Whether the process of a call has died; waits until it is over."""
    return isinstance(future.exception(), BrokenExecutor)


# -- clusters -----------------------------------------------------------------------------------


def _on_address(
    address: str,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    instead: Instead[Item, Result],
) -> Iterator[Result]:
    distributed = require("distributed", "dask", needed_for=f"Computing on {address}")
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise CntGraphError(
            f"expected a Dask scheduler at {address}, found none: {error}"
        ) from error
    with client:
        yield from _on_dask(client, function, items, instead)


def _on_dask(
    client: Any,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    instead: Instead[Item, Result],
) -> Iterator[Result]:
    if client.asynchronous:
        raise CntGraphError("expected a Client that waits for results, got Client(asynchronous)")
    n_slots = max(1, sum(client.nthreads().values()))
    # A call of its own an item costs the scheduler more than measuring a small network does.
    n_together = max(1, min(_MOST_TOGETHER, len(items) // (8 * n_slots)))
    left = iter(items)
    parts = iter(lambda: [*islice(left, n_together)], [])
    # Not pure: a file may have changed since the same was computed before. Dask itself computes
    # again what was on a worker that died; retries are for errors of the machine, such as a disk.
    submit = partial(client.submit, _each_alone, function, retries=ATTEMPTS - 1, pure=False)
    take = partial(_take_of_dask, submit, instead)
    for results in _in_order(submit, parts, 2 * n_slots + 2, take):
        yield from results


def _each_alone(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [_alone(function, item) for item in items]


def _take_of_dask(
    submit: Callable[[Sequence[Item]], Any], instead: Instead[Item, Result], waiting: Waiting
) -> list[Result]:
    """Return the first results.

    Dask suspects all that a dead worker had before it. Where it gives up on items, each is
    computed by itself, while nothing else is under way: it is found guilty or not.
    """
    from distributed import wait
    from distributed.scheduler import KilledWorker

    items, future = waiting.popleft()
    found: list[Result]
    try:
        found = future.result()
    except KilledWorker:
        wait([other for _, other in waiting])  # type: ignore[no-untyped-call]
        found = []
        for item in items:
            try:
                found += submit([item]).result()
            except KilledWorker as cause:
                message = f"{item}: measuring this takes its worker down again and again ({cause})"
                error = CntGraphError(message)
                error.__cause__ = cause
                found.append(instead(item, error))
    return found
