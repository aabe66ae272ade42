"""What a convolution is between channels: its kernel summed over the taps that are at work.

A stored weight K[c, k, t] connects the nodes that coarse channel c has at tap t with those that
fine channel k has there. Usually that is one pair of coarse nodes for all positions, and the sum
is one over the taps. Where a view mixes channels (a pixel shuffle, a concatenation of slices)
it is one over the distinct pairs that a tap connects; nowhere is a position unrolled whose
coarse nodes another one has, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.window import Window
from cntgraph.network.coarsening.grouping import Aggregation, Grouping, is_injective
from cntgraph.network.coarsening.merging import (
    distinct,
    merged_axis,
    merged_bias,
    merged_list,
    merged_matrix,
    picked,
    raised,
    rank_in,
    rooted,
)
from cntgraph.network.coarsening.sparse import listed


def coarse_conv(block: Conv, source: Grouping, target: Grouping, aggregation: Aggregation) -> Block:
    """Return a convolution between coarse nodes (see `between_channels`).

    Parameters
    ----------
    block : Conv
        The convolution.
    source, target : Grouping
        Of its views.
    aggregation : {"sum", "l1", "l2"}

    Returns
    -------
    Block
        A `Conv` without spatial axes that keeps its groups, or a `Sparse` where the pairs that
        are connected do not make one.
    """
    return _CoarseConv(block, source, target, aggregation).build()


@dataclass(frozen=True, eq=False)
class _Side:
    """The coarse nodes of one side, channel by channel and tap by tap."""

    labels: Ids
    cuts: Sequence[tuple[slice, ...]]

    @classmethod
    def of(cls, grouping: Grouping, cuts: Sequence[tuple[slice, ...]]) -> _Side:
        return cls(grouping.labels, cuts)

    @property
    def is_whole(self) -> bool:
        """Whether every position is a node."""
        return bool(self.labels.min(initial=0) >= 0)

    def seen(self, tap: int) -> Ids:
        """Return the coarse nodes at the positions of a tap, -1 for none.

        Its shape is (channels, *positions); an axis along which nothing changes has length one.
        """
        lengths = self.labels.shape[1:]
        cut = [slice(0, int(c.start < c.stop)) if n == 1 else c
               for c, n in zip(self.cuts[tap], lengths, strict=True)]  # fmt: skip
        return self.labels[(slice(None), *cut)]

    @cached_property
    def links(self) -> tuple[Ids, Ids, Ids]:
        """Channel, tap and coarse node, each that occurs once."""
        found = []
        for number in range(len(self.cuts)):
            nodes = self.seen(number)
            known = nodes >= 0
            (channel, node), _ = distinct(np.nonzero(known)[0], nodes[known])
            found.append((channel, np.full_like(channel, number), node))
        channel, tap, node = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return channel, tap, node

    @cached_property
    def nodes(self) -> Ids | None:
        """The coarse node of each channel, -1 for none; None if a channel has several."""
        channel, _, node = self.links
        (channel, node), _ = distinct(channel, node)
        if not is_injective(channel):
            return None
        nodes = np.full(len(self.labels), -1, dtype=np.int64)
        nodes[channel] = node
        return nodes

    @cached_property
    def taps(self) -> Ids | None:
        """The taps at work, if they are the same for all channels that have a node."""
        channel, tap, _ = self.links
        used = np.zeros((len(self.labels), len(self.cuts)), dtype=bool)
        used[channel, tap] = True
        used = used[used.any(axis=1)]
        alike = (used == used[:1]).all()
        return np.flatnonzero(used.any(axis=0)) if alike else None


class _CoarseConv:
    """A convolution, its two sides, and what is known of both."""

    def __init__(
        self, block: Conv, source: Grouping, target: Grouping, aggregation: Aggregation
    ) -> None:
        self.block, self.aggregation = block, aggregation
        self.source, self.target = source, target
        cuts = list(_cuts(block.windows))
        fine, coarse = (target, source) if block.transposed else (source, target)
        self.fine = _Side.of(fine, [cut for cut, _ in cuts])
        self.coarse = _Side.of(coarse, [cut for _, cut in cuts])
        self.n_taps = len(cuts)

    def build(self) -> Block:
        a, b = self.coarse.nodes, self.fine.nodes
        # Targets are all nodes: whether a tap is at work is for the sources to say.
        taps = (self.coarse if self.block.transposed else self.fine).taps
        if self.block.bias is not None and not self._reaches_every_target():
            return self._listed()
        if a is not None and b is not None and taps is not None:
            return self._summed_over_taps(a, b, taps)
        if self.block.groups == 1 and a is not None and self.coarse.is_whole:
            return self._mixed_fine(a)
        if self.block.groups == 1 and b is not None and self.fine.is_whole:
            return self._mixed_coarse(b)
        return self._listed()

    def _reaches_every_target(self) -> bool:
        """Whether each coarse node that has a bias also has an edge, so that one view shows both.

        It has none where all its positions read padding only: the channels of a target whose
        positions were mixed may differ in that.
        """
        side = self.fine if self.block.transposed else self.coarse
        return np.array_equal(np.unique(side.links[2]), self.target.nodes)

    # -- one coarse node per channel ------------------------------------------------------------

    def _summed_over_taps(self, a: Ids, b: Ids, taps: Ids) -> Block:
        n_coarse, inner = self.block.weight.shape[:2]
        groups = self.block.groups
        weight = self.block.weight.reshape((n_coarse, inner, self.n_taps))
        weight = raised(picked(weight, 2, taps), self.aggregation)
        if len(taps) != 1:
            weight = weight.sum((2,))
        weight = weight.reshape((n_coarse, inner))
        by_group = b.reshape(groups, inner)
        if not len(taps):
            return self._pairs(weight, *np.zeros((3, 0), dtype=np.int64))
        if groups > 1 and _are_distinct(a.reshape(groups, -1), by_group):
            return self._conv(rooted(weight, self.aggregation), a, b, groups)
        if (by_group == by_group[:1]).all():
            matrix, a, b = merged_matrix(weight, a, by_group[0])
            return self._conv(rooted(matrix, self.aggregation), a, b, 1)
        columns = np.repeat(by_group, n_coarse // groups, axis=0)
        rows = np.broadcast_to(a[:, None], columns.shape)
        entries = np.arange(columns.size, dtype=np.int64)
        return self._pairs(weight, rows.reshape(-1), columns.reshape(-1), entries)

    def _conv(self, weight: Recipe, a: Ids, b: Ids, groups: int) -> Block:
        source, target = (a, b) if self.block.transposed else (b, a)
        return replace(
            self.block, source=View.of(source), target=View.of(target), weight=weight,
            bias=merged_bias(self.block.bias, self.target, target), windows=(), groups=groups,
        )  # fmt: skip

    # -- channels that are mixed --------------------------------------------------------------

    def _mixed_fine(self, a: Ids) -> Block:
        """Sum by the coarse nodes that each fine channel and tap reaches."""
        weight = self.block.weight.reshape((self.block.weight.shape[0], -1))
        matrix, nodes = self._gathered(weight, self.fine)
        matrix, a, nodes = merged_matrix(matrix, a, nodes)
        return self._conv(rooted(matrix, self.aggregation), a, nodes, 1)

    def _mixed_coarse(self, b: Ids) -> Block:
        """Sum by the coarse nodes that each coarse channel and tap reaches."""
        n_coarse, inner = self.block.weight.shape[:2]
        weight = self.block.weight.reshape((n_coarse, inner, self.n_taps)).transpose((1, 0, 2))
        matrix, nodes = self._gathered(weight.reshape((inner, -1)), self.coarse)
        matrix, nodes, b = merged_matrix(matrix.transpose((1, 0)), nodes, b)
        return self._conv(rooted(matrix, self.aggregation), nodes, b, 1)

    def _gathered(self, weight: Recipe, side: _Side) -> tuple[Recipe, Ids]:
        channel, tap, node = side.links
        nodes = np.unique(node)
        chosen = picked(raised(weight, self.aggregation), 1, channel * self.n_taps + tap)
        return merged_axis(chosen, 1, rank_in(nodes, node), len(nodes)), nodes

    def _listed(self) -> Block:
        """List which weight connects which pair, once, whatever the number of positions."""
        parts = [self._listed_tap(tap) for tap in range(self.n_taps)]
        a, b, entries = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self._pairs(raised(self.block.weight, self.aggregation), a, b, entries)

    def _listed_tap(self, tap: int) -> tuple[Ids, Ids, Ids]:
        groups, (n_coarse, inner) = self.block.groups, self.block.weight.shape[:2]
        patterns = _patterns(self.fine.seen(tap), self.coarse.seen(tap))
        fine = patterns[: groups * inner].reshape(groups, 1, inner, -1)
        coarse = patterns[groups * inner :].reshape(groups, n_coarse // groups, 1, -1)
        entries = np.arange(n_coarse * inner).reshape(groups, -1, inner, 1) * self.n_taps + tap
        a, b, entries = np.broadcast_arrays(coarse, fine, entries)
        (a, b, entries), _ = distinct(a.reshape(-1), b.reshape(-1), entries.reshape(-1))
        return a, b, entries

    def _pairs(self, weight: Recipe, a: Ids, b: Ids, entries: Ids) -> Block:
        source, target = (a, b) if self.block.transposed else (b, a)
        starts, ends, merged = merged_list(weight.reshape((-1,)), source, target, entries)
        weight = rooted(merged, self.aggregation)
        return listed(starts, ends, weight, self.block, self.target)


def _cuts(windows: Sequence[Window]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield, tap by tap, the positions it connects on the fine and on the coarse side."""
    for taps in product(*(range(w.kernel) for w in windows)):
        places = [w.tap(t) for w, t in zip(windows, taps, strict=True)]
        yield tuple(place.fine for place in places), tuple(place.coarse for place in places)


def _are_distinct(a: Ids, b: Ids) -> bool:
    """Whether no two pairs of a channel of `a` and one of `b`, group by group, are the same."""
    within = all(is_injective(row) for side in (a, b) for row in side)
    return within and (is_injective(a.reshape(-1)) or is_injective(b.reshape(-1)))


def _patterns(*sides: Ids) -> Ids:
    """Return the distinct columns of the channels of all sides, position by position."""
    positions = np.broadcast_shapes(*(side.shape[1:] for side in sides))
    full = [np.broadcast_to(side, (len(side), *positions)) for side in sides]
    columns = np.concatenate([side.reshape(len(side), prod(positions)) for side in full])
    return np.unique(columns, axis=1) if columns.size else columns
