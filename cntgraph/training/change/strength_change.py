"""StrengthChange: how the strengths of a layer's nodes differ between two networks."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values
from cntgraph.measures.strength import layer_strengths
from cntgraph.measures.summary import summarize
from cntgraph.network.network import Network
from cntgraph.training.change.weight_change import relative_change
from cntgraph.training.statistics.divergence import divergence


class StrengthChange(NamedTuple):
    """What changed of the strengths of a layer's nodes, and what could not be told.

    Parameters
    ----------
    strength : float
        ‖s_b - s_a‖ / ‖s_a‖, s the strengths of the nodes.
    fluctuation : float
        σ_b / σ_a - 1, σ the fluctuation.
    divergence : float
        Of the distribution of s_a from that of s_b, as `cntgraph.divergence` has it.
    largest : tuple of int
        The nodes of the first network whose strengths changed most, the most first.
    why : str, default ""
        Why the numbers are NaN.
    """

    strength: float = nan
    fluctuation: float = nan
    divergence: float = nan
    largest: tuple[int, ...] = ()
    why: str = ""


class Strengths:
    """The strengths of the nodes of two networks, each measured once.

    Parameters
    ----------
    a, b : Network
    n_nodes : int
        How many nodes that changed are named.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> Strengths(net, net, 3).change("fc1", "fc1").strength
    0.0
    """

    def __init__(self, a: Network, b: Network, n_nodes: int) -> None:
        self._nets, self._n_nodes = (a, b), n_nodes
        self._sums = tuple(layer_strengths(net) for net in self._nets)
        self._found: dict[tuple[str, str], StrengthChange] = {}

    def change(self, layer_a: str, layer_b: str) -> StrengthChange:
        """Return the change between a layer of the first and one of the second network."""
        key = layer_a, layer_b
        if key not in self._found:
            self._found[key] = self._change(*key)
        return self._found[key]

    def _change(self, *names: str) -> StrengthChange:
        layers = [net.layer(name) for net, name in zip(self._nets, names, strict=True)]
        if layers[0].n_nodes != layers[1].n_nodes:
            sizes = f"{layers[0].n_nodes:,} and {layers[1].n_nodes:,}"
            return StrengthChange(why=f"no strengths: the layers have {sizes} nodes")
        numbers = (net.layers.index(x) for net, x in zip(self._nets, layers, strict=True))
        values = [s.of_layer(k, "total") for s, k in zip(self._sums, numbers, strict=True)]
        before, after = (own.values() for own in values)
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            return StrengthChange(why="no strengths: some are not finite")
        with np.errstate(over="ignore", invalid="ignore"):  # squares beyond the range of numbers
            spread = [summarize(own).std for own in values]
        return StrengthChange(
            relative_change(_norm(after - before), _norm(before)),
            relative_change(spread[1] - spread[0], spread[0]),
            divergence(before, after),
            tuple(int(node) + layers[0].start for node in self._largest(after - before)),
            "" if np.isfinite(spread).all() else "no fluctuation: beyond the range of numbers",
        )

    def _largest(self, change: Values) -> NDArray[np.intp]:
        """Return the places of the largest changes, those of one size in order; zeros are none."""
        size = np.abs(change)
        n = min(self._n_nodes, int(np.count_nonzero(size)))
        least = np.partition(size, size.size - n)[size.size - n] if n else np.inf
        places = np.flatnonzero(size >= least)
        return places[np.argsort(-size[places], kind="stable")][:n]


def _norm(values: Values) -> float:
    """Return the root of the sum of squares, of which none overflows."""
    scale = float(np.abs(values).max(initial=0.0))
    return scale * float(np.sqrt(np.square(values / scale).sum())) if scale else 0.0
