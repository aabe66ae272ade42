"""WeightUses: how often the nodes of a layer meet each weight of a block, as two sums."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids
from cntgraph.core.view import View

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Mask = NDArray[np.bool_]


class CarriedWeights(NamedTuple):
    """Edges one by one: the nodes they join, and the number of the stored weight they carry."""

    source: Ids
    target: Ids
    weight: Ids

    @classmethod
    def of(cls, matrix: csr_array, weight: Ids, source: View, target: View) -> CarriedWeights:
        """Return the edges of a block's matrix, by the nodes that its views show."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return cls(source.as_ids()[rows], target.as_ids()[matrix.indices], weight)


@dataclass(frozen=True)
class Ends:
    """At which ends of edges nodes meet weights.

    Parameters
    ----------
    nodes : slice
        The nodes: those of a layer.
    incoming, outgoing : bool, default True
        Whether edges that end in them count, and those that begin there.
    """

    nodes: slice
    incoming: bool = True
    outgoing: bool = True

    def mask(self, view: View) -> Mask | None:
        """Return which positions of a view show one of the nodes; None where all do."""
        if view.ids is not None:
            found = self.meet(view.ids)
            return None if found.all() else found
        first, last = max(self.nodes.start - view.start, 0), self.nodes.stop - view.start
        if first == 0 and last >= view.size:
            return None
        found = np.zeros(view.size, dtype=bool)
        found[first : max(last, first)] = True
        return found

    def meet(self, ids: Ids) -> Mask:
        """Return which of some node ids are among the nodes."""
        found: Mask = (ids >= self.nodes.start) & (ids < self.nodes.stop)
        return found

    def count(self, view: View) -> int:
        """Return how many positions of a view show one of the nodes."""
        if view.ids is not None:
            return int(self.meet(view.ids).sum())
        low, high = view.span()
        return int(max(min(high, self.nodes.stop) - max(low, self.nodes.start), 0))

    def of_block(self, source: View, target: View) -> tuple[bool, bool]:
        """Return whether edges between two views count where they begin, and where they end."""
        begin = self.outgoing and self.count(source) > 0
        return begin, self.incoming and self.count(target) > 0


@dataclass(frozen=True)
class WeightUses:
    """How often nodes meet each weight of a block, as two sums of squares.

    With c_vk how many edges at node v carry the stored weight k, a strength is Σₖ c_vk w_k. So if
    weights are independent draws of variance σ², the variance of strengths over N nodes is
    σ² (by_node / N - together / N²), in expectation and but for what their mean brings.

    Parameters
    ----------
    by_node : float
        Σᵥ Σₖ c_vk²: pairs of edges that carry the same weight at the same node.
    together : float
        Σₖ (Σᵥ c_vk)²: pairs that carry the same weight, at whichever nodes.

    Examples
    --------
    >>> WeightUses(by_node=6.0, together=6.0).variance(2)  # a dense layer of 3 inputs, 2 outputs
    1.5
    """

    by_node: float = 0.0
    together: float = 0.0

    @classmethod
    def of_edges(cls, edges: CarriedWeights, ends: Ends) -> WeightUses:
        """Return the uses of edges that are listed one by one."""
        check_memory(64 * edges.weight.size, f"comparing {edges.weight.size:,} edges")
        chosen = ((edges.target, ends.incoming), (edges.source, ends.outgoing))
        met = [
            np.stack([nodes, edges.weight])[:, ends.meet(nodes)]
            for nodes, counts in chosen
            if counts
        ]
        if not sum(one.shape[1] for one in met):
            return cls()
        nodes, weights = np.concatenate(met, axis=1)
        pairs = (nodes - ends.nodes.start) * (int(weights.max()) + 1) + weights
        return cls(
            _squares(np.unique(pairs, return_counts=True)[1]), _squares(np.bincount(weights))
        )

    @classmethod
    def of_single_edges(cls, incoming: int, outgoing: int, both: int, loops: int) -> WeightUses:
        """Return the uses of weights that are one edge each.

        Parameters
        ----------
        incoming, outgoing : int
            Edges that end in one of the nodes, and that begin there.
        both : int
            Edges that do both.
        loops : int
            Edges from one of the nodes to itself.
        """
        ends = float(incoming + outgoing)
        return cls(ends + 2.0 * loops, ends + 2.0 * both)

    @classmethod
    def of_broadcast(
        cls, shape: tuple[int, ...], onto: tuple[int, ...], view: View, nodes: slice
    ) -> WeightUses:
        """Return the uses of values that are broadcast to nodes, each of which has one of them.

        Parameters
        ----------
        shape, onto : tuple of int
            Of the values, and of all positions.
        view : View
            The nodes at these positions.
        nodes : slice
            Those that count.
        """
        ends = Ends(nodes, outgoing=False)
        if view.ids is None and ends.mask(view) is None:
            return cls(float(view.size), view.size**2 / max(prod(shape), 1))
        ids = view.as_ids()
        return cls.of_edges(CarriedWeights(ids, ids, broadcast_numbers(shape, onto)), ends)

    def __add__(self, other: WeightUses) -> WeightUses:
        """Return the uses of other weights as well: not of the same."""
        return WeightUses(self.by_node + other.by_node, self.together + other.together)

    def times(self, factor: float) -> WeightUses:
        """Return the uses of so many times as many weights, all used alike."""
        return WeightUses(self.by_node * factor, self.together * factor)

    def variance(self, n_nodes: int) -> float:
        """Return the expected variance over so many nodes, for weights of variance one."""
        return self.by_node / n_nodes - self.together / n_nodes**2


def broadcast_numbers(shape: tuple[int, ...], onto: tuple[int, ...]) -> Ids:
    """Return, for every position, which of the values of `shape` is broadcast to it.

    Examples
    --------
    >>> broadcast_numbers((2, 1), (2, 3))
    array([0, 0, 0, 1, 1, 1])
    """
    return np.broadcast_to(np.arange(prod(shape)).reshape(shape), onto).reshape(-1)


def _squares(counts: Ids) -> float:
    return float((counts.astype(np.float64) ** 2).sum())
