"""computing_on: on which workers the parts of large weights are read and added up."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from cntgraph.core.errors import CntGraphError
from cntgraph.core.mapping import check_client, map_ordered
from cntgraph.core.parallel import ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

_client: ContextVar[Any] = ContextVar("cntgraph_client", default=None)

#: Bytes of weights in memory that are sent with each part; a file's are read where it is seen.
_MOST_SENT = 1 << 26


@contextmanager
def computing_on(client: Any) -> Iterator[None]:
    """Read and add up the parts of weights on the workers of a cluster, in the ``with`` statement.

    What is computed from sums of weights (strengths, fluctuation, `analyze`) and from products
    with dense layers and large kernels (PageRank and all that is matrix-free) has the same bits as
    without. Small weights, and products with kernels that are smaller than the values they are
    multiplied with, which would take longer to send than to compute, stay here. A worker that
    dies costs time only.

    Parameters
    ----------
    client : {None, "threads", "processes"}, str or dask.distributed.Client
        Where, as in `Population.analyze`; ``None`` is where it is done already: here, on all
        cores, unless a ``with`` statement around says otherwise.

    Raises
    ------
    CntGraphError
        If `client` is something else; and, once something is measured, if a network's weights
        are large and in memory: save it where all workers see the file, and load that.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with computing_on("threads"):
    ...     found = cg.node_strength(cg.toy("mlp"))
    >>> bool((found == cg.node_strength(cg.toy("mlp"))).all())
    True
    """
    check_client(client)
    token = _client.set(_client.get() if client is None else client)
    try:
        yield
    finally:
        _client.reset(token)


def computes_here() -> bool:
    """Whether no cluster is given to compute on.

    Examples
    --------
    >>> computes_here()
    True
    """
    return _client.get() is None


def spread(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order, where `computing_on` says.

    Parameters
    ----------
    function : callable
        Shares no memory with its caller, and can be pickled.
    items : sequence

    Yields
    ------
    object
        The results, in the order of `items`.

    Examples
    --------
    >>> list(spread(abs, [-1, 2]))
    [1, 2]
    """
    client = _client.get()
    if client is None or len(items) < 2:
        yield from ordered_map(function, items, threads=1 if len(items) < 2 else None)
        return
    if client != "threads":
        _check_sent(function)
    yield from map_ordered(function, items, client=client)


def _check_sent(function: Callable[..., Any]) -> None:
    size = len(pickle.dumps(function))
    if size > _MOST_SENT:
        raise CntGraphError(
            f"{size / 1e6:,.0f} MB of weights are in memory and would be sent with each of their "
            "parts; expected weights in a file that all workers see: cg.save(net, path), and load "
            "that"
        )
