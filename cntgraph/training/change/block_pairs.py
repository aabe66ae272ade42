"""BlockPair: a learned block of one network, and the one of another network that goes with it."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Literal, NamedTuple

from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network

Status = Literal["ok", "shapes differ", "only in a", "only in b"]
Matched = Literal["name", "shape and order", ""]


class BlockPair(NamedTuple):
    """Two blocks that are held against each other, or one that has no other.

    Parameters
    ----------
    a, b : Block or None
        Of the first network and of the second.
    matched : {"name", "shape and order", ""}
        What says that they go together.
    status : {"ok", "shapes differ", "only in a", "only in b"}
    """

    a: Block | None
    b: Block | None
    matched: Matched
    status: Status


def pair_blocks(a: Network, b: Network) -> list[BlockPair]:
    """Return the learned blocks of two networks, those together that go together.

    Blocks of one name go together, or differ in the shape of their weights. What is left goes
    together where shapes are the same: the first of a shape with the first of it, and so on.

    Parameters
    ----------
    a, b : Network

    Returns
    -------
    list of BlockPair
        In the order of `a`; what only `b` has comes last.

    Examples
    --------
    >>> import cntgraph as cg
    >>> [(p.a.name, p.status) for p in pair_blocks(cg.toy("mlp"), cg.toy("cnn"))[:2]]
    [('fc1', 'only in a'), ('fc2', 'only in a')]
    """
    ours, theirs = _learned(a), _learned(b)
    named = {block.name: block for block in theirs}
    left = _by_shape([block for block in theirs if block.name not in {own.name for own in ours}])
    pairs = []
    for block in ours:
        other = named.pop(block.name, None)
        if other is None and left[_shape(block)]:
            other = named.pop(left[_shape(block)].popleft().name)
            pairs.append(BlockPair(block, other, "shape and order", "ok"))
        else:
            pairs.append(_of_one_name(block, other))
    return [*pairs, *(BlockPair(None, block, "", "only in b") for block in named.values())]


def _learned(net: Network) -> list[Block]:
    return [block for block in net.select_blocks("parametric") if block.weight is not None]


def _shape(block: Block) -> tuple[int, ...]:
    return () if block.weight is None else block.weight.shape


def _by_shape(blocks: list[Block]) -> defaultdict[tuple[int, ...], deque[Block]]:
    found = defaultdict[tuple[int, ...], deque[Block]](deque)
    for block in blocks:
        found[_shape(block)].append(block)
    return found


def _of_one_name(block: Block, other: Block | None) -> BlockPair:
    if other is None:
        return BlockPair(block, None, "", "only in a")
    alike = _shape(block) == _shape(other)
    return BlockPair(block, other, "name", "ok" if alike else "shapes differ")
