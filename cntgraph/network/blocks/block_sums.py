"""Sums: what one pass over a block's weights gives, by node or by class of nodes that are alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cntgraph.core.types import Values
from cntgraph.network.blocks.class_values import Sides
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import Transform


class Sums(NamedTuple):
    """Row sums (by source position) and column sums (by target position) of f(A)."""

    row: Values
    column: Values


@dataclass(frozen=True)
class BlockSums:
    """What one pass over a block's weights gives."""

    sums: dict[Transform, Sums]
    statistics: WeightStatistics = field(default_factory=WeightStatistics)


@dataclass(frozen=True)
class ClassSums:
    """What one pass over a block's weights gives, each value that many nodes share held once."""

    sums: dict[Transform, Sides]
    statistics: WeightStatistics = field(default_factory=WeightStatistics)

    def of_nodes(self) -> BlockSums:
        """Return the sums of every node."""
        sums = {t: Sums(*(side.values() for side in sides)) for t, sides in self.sums.items()}
        return BlockSums(sums, self.statistics)
