"""ConvUses: how often nodes meet each weight of a convolution, from its windows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from cntgraph.core.view import View
from cntgraph.network.blocks.weight_uses import Ends, Mask, WeightUses
from cntgraph.network.blocks.window import Side, Window, count_per_tap


@dataclass(frozen=True)
class ConvUses:
    """What a convolution is made of besides its weights; its fields are those of `Conv`.

    No position meets a weight twice from one side. So, if no node is seen at two positions, what
    counts is how many positions each weight connects.

    Parameters
    ----------
    shape : tuple of int
        Of the weight: (coarse channels, fine channels / groups, *kernel).
    """

    source: View
    target: View
    windows: tuple[Window, ...]
    shape: tuple[int, ...]
    groups: int
    transposed: bool

    def at(self, ends: Ends) -> WeightUses | None:
        """Return the uses at the nodes of a layer; None where they have no closed form."""
        begin, end = ends.of_block(self.source, self.target)
        if not (begin or end):
            return WeightUses()
        if begin and end:
            return self._of_loop() if self._is_plain_loop(ends) else None
        view = self.source if begin else self.target
        mask = ends.mask(view)
        if view.repeats(mask):
            return None
        if end and self.source.mask is not None:
            # All edges are counted where they begin; some of them could not be.
            return self._at_source(self.source.mask) if mask is None else None
        return self._at_source(mask) if begin else self._at_target(mask)

    def _at_source(self, mask: Mask | None) -> WeightUses:
        return self._at(self.source, mask, "coarse" if self.transposed else "fine")

    def _at_target(self, mask: Mask | None) -> WeightUses:
        return self._at(self.target, mask, "fine" if self.transposed else "coarse")

    def _at(self, view: View, mask: Mask | None, side: Side) -> WeightUses:
        """Return the uses by edges at some positions of one side."""
        chosen = None if mask is None else mask.reshape(view.shape)
        counts = count_per_tap(self.windows, side, view.shape[0], chosen)
        others = self.shape[0] // self.groups if side == "fine" else self.shape[1]
        return WeightUses(float(counts.sum()), float((counts**2).sum())).times(others)

    def _is_plain_loop(self, ends: Ends) -> bool:
        source, target = self.source, self.target
        alike = (source.shape, source.start) == (target.shape, target.start)
        in_order = source.ids is None and target.ids is None
        return alike and in_order and ends.mask(source) is None

    def _of_loop(self) -> WeightUses:
        """Return the uses of weights that lead from a layer, in order, to itself."""
        once = self._at_source(None)
        # Into a node and out of it come those from its channel to itself, tap by tap.
        twice = prod(int((w.fine_cover & w.coarse_cover).sum()) for w in self.windows)
        by_node = 2.0 * once.by_node + 2.0 * self.source.shape[0] * twice
        return WeightUses(by_node, 4.0 * once.together)
