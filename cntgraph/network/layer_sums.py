"""LayerSums: what the edges of every node sum up to, layer by layer, alike nodes held once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np

from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import n_threads, ordered_map
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.network.blocks.class_values import ClassValues, Sides, joint
from cntgraph.network.layer import Layer

Side = Literal["in", "out"]
Direction = Literal["total", "in", "out"]

_SIDES: tuple[Side, Side] = ("in", "out")
_ZERO = np.zeros(())

#: Nodes that are written out by several threads rather than by one.
_MANY_NODES = 1 << 18


class LayerSums:
    """Sums over the edges that end in the nodes of a network, and over those that begin there.

    What is added at exactly the nodes of one layer, in order, is held as it comes: one value for
    all nodes that are alike. What lies otherwise is added to an array of all nodes.

    Parameters
    ----------
    layers : sequence of Layer
        All layers of a network.

    Examples
    --------
    >>> layers = (Layer("input", (3,), "input"), Layer("fc", (2,), "dense", start=3))
    >>> sums = LayerSums(layers)
    >>> sums.add("in", View((2,), 3), ClassValues.of_broadcast(np.ones(()), (2,)))
    >>> sums.values("in"), sums.of_layer(1, "total").table
    (array([0., 0., 0., 1., 1.]), array([1.]))
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self._starts = [layer.start for layer in layers]
        self.n_nodes = layers[-1].slice.stop if layers else 0
        self._parts: dict[tuple[Side, int], list[ClassValues]] = {}
        self._scattered: dict[Side, Values] = {}
        self._reached: set[tuple[Side, int]] = set()

    @classmethod
    def of_nodes(
        cls, layers: Sequence[Layer], incoming: Values, outgoing: Values | None
    ) -> LayerSums:
        """Return the sums that are known node by node, shape (n_nodes,); they are kept as given.

        Parameters
        ----------
        layers : sequence of Layer
        incoming, outgoing : ndarray of float64, shape (n_nodes,)
            None where nothing is summed.
        """
        found = cls(layers)
        sides: tuple[tuple[Side, Values | None], ...] = (("in", incoming), ("out", outgoing))
        for side, values in sides:
            if values is not None:
                found._scattered[side] = values
                found._reached.update((side, k) for k, layer in enumerate(layers) if layer.n_nodes)
        return found

    # -- adding up --------------------------------------------------------------------------

    def add_sides(self, source: View, target: View, sides: Sides) -> None:
        """Add the row and the column sums of a block."""
        self.add("out", source, sides.row)
        self.add("in", target, sides.column)

    def add(self, side: Side, view: View, values: ClassValues) -> None:
        """Add values at the nodes that a view shows.

        Parameters
        ----------
        side : {"in", "out"}
        view : View
        values : ClassValues
            Of the view's shape.
        """
        if not view.size:
            return
        k = bisect_right(self._starts, view.start) - 1
        layer = self.layers[k]
        if view.ids is None and layer.start == view.start and layer.n_nodes == view.size:
            self._keep(side, k, values.reshaped(layer.shape))
            return
        self._scatter(side, view, values.values())

    def _scatter(self, side: Side, view: View, values: Values) -> None:
        if side not in self._scattered:
            check_memory(8 * self.n_nodes, f"measuring {self.n_nodes:,} nodes")
            self._scattered[side] = np.zeros(self.n_nodes)  # takes memory where it is written to
        view.scatter_add(self._scattered[side], values)
        low, high = view.span()
        first, last = (bisect_right(self._starts, node) for node in (low, high - 1))
        self._reached.update((side, k) for k in range(first - 1, last))

    def add_all(self, others: LayerSums, side: Side, function: Callable[[Values], Values]) -> None:
        """Add a function of the sums that others have on one side; where they have none, nothing.

        Parameters
        ----------
        others : LayerSums
            Of the same layers.
        side : {"in", "out"}
        function : callable
            Of arrays, element by element.
        """
        for own, k in {**others._parts, **dict.fromkeys(others._reached)}:
            if own == side:
                found = others.of_layer(k, side)
                self._keep(side, k, ClassValues(function(found.table), found.grid))

    def _keep(self, side: Side, k: int, values: ClassValues) -> None:
        parts = self._parts.setdefault((side, k), [])
        if parts and values.of_each_node and parts[-1].of_each_node:
            parts.append(joint([parts.pop(), values]))  # so that no more than one is held
        else:
            parts.append(values)

    # -- what was added up --------------------------------------------------------------------

    def of_layer(self, k: int, direction: Direction) -> ClassValues:
        """Return the sums of layer number `k`, coming in, going out, or both.

        Parameters
        ----------
        k : int
        direction : {"total", "in", "out"}

        Returns
        -------
        ClassValues
            Of the shape of the layer.
        """
        return self.of_directions(k, (direction,))[0]

    def of_directions(self, k: int, directions: Sequence[Direction]) -> list[ClassValues]:
        """Return the sums of layer number `k` in several directions, as `of_layer` each.

        Parameters
        ----------
        k : int
        directions : sequence of {"total", "in", "out"}

        Returns
        -------
        list of ClassValues
        """
        sides = {side: joint(p) if (p := self._of_side(side, k)) else None for side in _SIDES
                 if side in directions or "total" in directions}  # fmt: skip
        found = []
        for direction in directions:
            wanted = sides.values() if direction == "total" else (sides[direction],)
            each = [values for values in wanted if values is not None]
            none = ClassValues.of_broadcast(_ZERO, self.layers[k].shape)
            found.append(joint(each) if each else none)
        return found

    def _of_side(self, side: Side, k: int) -> list[ClassValues]:
        parts, layer = self._parts.get((side, k), []), self.layers[k]
        if (side, k) not in self._reached:
            return parts
        return [*parts, ClassValues.of_nodes(self._scattered[side][layer.slice], layer.shape)]

    def values(self, direction: Direction) -> Values:
        """Return the sums of all nodes, each written once, shape (n_nodes,).

        Raises
        ------
        GraphSizeError
            If they do not fit into memory.
        """
        check_memory(8 * self.n_nodes, f"measuring {self.n_nodes:,} nodes")
        total = np.empty(self.n_nodes)

        threads = 1 if self.n_nodes < _MANY_NODES else n_threads()
        pieces = self._pieces(direction, threads)
        for _ in ordered_map(partial(_write, total), pieces, threads=threads):
            pass
        return total

    def _pieces(self, direction: Direction, threads: int) -> Iterator[_Piece]:
        for k, layer in enumerate(self.layers):
            if not layer.n_nodes:
                continue
            found, n = self.of_layer(k, direction), (*layer.shape, 1)[0]
            step = max(1, -(-n // (4 * threads))) if layer.n_nodes > _MANY_NODES else n
            for first in range(0, n, step):
                yield found, layer.slice, slice(first, first + step)


#: What is written at once: the values of a layer, its nodes, and some of its channels.
_Piece = tuple[ClassValues, slice, slice]


def _write(total: Values, piece: _Piece) -> None:
    found, nodes, channels = piece
    found.write(total[nodes], channels)
