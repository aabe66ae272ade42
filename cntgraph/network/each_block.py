"""each_block: a function of every block of a network, of several small ones at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from itertools import groupby
from math import prod
from typing import TypeVar

from cntgraph.core.computing import computes_here
from cntgraph.core.parallel import n_threads, ordered_map
from cntgraph.network.blocks.base import Block

Result = TypeVar("Result")

#: Bytes that are read of a block beyond which it is worked on by itself, on all cores.
_LARGE = 1 << 26
#: Bytes of the nodes of all blocks that are held at once, whatever the number of threads.
_HELD = 1 << 28
#: Bytes of blocks that are worth the threads.
_MANY = 1 << 20


def each_block(function: Callable[[Block], Result], blocks: Iterable[Block]) -> Iterator[Result]:
    """Yield ``function(block)`` for every block, in order, computing a few ahead on threads.

    What a block costs besides reading its weights is Python's, and goes on while the weights of
    another are read. Each block is worked on as it would be alone: results have the same bits.

    Parameters
    ----------
    function : callable
        Called on any thread, in the context of the caller.
    blocks : iterable of Block

    Yields
    ------
    object
        The results, in the order of `blocks`.

    Examples
    --------
    >>> import cntgraph as cg
    >>> [*each_block(lambda block: block.n_edges, cg.toy("cnn").blocks)]
    [512, 72, 54]
    """
    share = _HELD // (2 * n_threads() + 1)
    for large, run in groupby(blocks, lambda b: _read(b) > _LARGE or _written(b) > share):
        several = list(run)
        worth = sum(max(_read(block), _written(block)) for block in several)
        if large or not computes_here() or worth < _MANY:
            yield from map(function, several)
        else:
            # A context of its own for each: no two threads can be in one.
            works = [(copy_context(), block) for block in several]
            yield from ordered_map(lambda work: work[0].run(function, work[1]), works)


def _read(block: Block) -> int:
    """Return the bytes of a block's weights."""
    weight = block.weight
    return 0 if weight is None else prod(weight.shape) * weight.dtype.itemsize


def _written(block: Block) -> int:
    """Return the bytes of a value for each of its nodes, which is the most that is found."""
    return 8 * sum(block.shape)
