"""Measure: what the profile must know of a measure besides the function that gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from math import prod
from typing import Any, Literal

from cntgraph.graph.graph import Graph
from cntgraph.network.network import Edges, Network

Level = Literal["node", "edge", "layer", "block", "network"]


@dataclass(frozen=True)
class Size:
    """How large a network is, in what the cost of measures depends on.

    Parameters
    ----------
    n_nodes, n_edges : int
        Of the graph, convolutions unrolled.
    n_weights : int
        Stored weights of all blocks; of an explicit graph, its edges.

    Examples
    --------
    >>> import cntgraph as cg
    >>> Size.of(cg.toy("cnn"))
    Size(n_nodes=129, n_edges=638, n_weights=72)
    """

    n_nodes: int
    n_edges: int
    n_weights: int

    @classmethod
    def of(cls, net_or_graph: Network | Graph, edges: Edges = "all") -> Size:
        """Return the size of the chosen edges; no weight is read."""
        if isinstance(net_or_graph, Graph):
            return cls(net_or_graph.n_nodes, net_or_graph.n_edges, net_or_graph.n_edges)
        blocks = net_or_graph.select_blocks(edges)
        n_weights = sum(prod(block.weight.shape) for block in blocks if block.weight is not None)
        return cls(net_or_graph.n_nodes, sum(block.n_edges for block in blocks), n_weights)


@dataclass(frozen=True)
class Measure:
    """A measure, and how long it takes.

    A third party adds one by an entry point in the group ``cntgraph.measures``.

    Parameters
    ----------
    function : callable
        Takes a Network or a Graph, and any of the options ``sign``, ``rng``, ``max_edges``
        by name.
    level : {"node", "edge", "layer", "block", "network"}
        What it gives a number of.
    complexity : str
        For people, such as ``"O(n·m)"``: n nodes, m edges, w stored weights.
    seconds : callable
        Takes a `Size`, gives about how many seconds it takes on one core.
    unrolls : bool, default False
        Whether it needs the explicit graph.
    partitions : bool, default False
        Whether a measure of the whole network brings a partition of its nodes along.
    read : callable, optional
        Takes what the function returns, and gives what of it a profile shows; by default all.

    Examples
    --------
    >>> import cntgraph as cg
    >>> measure = Measure(cg.node_strength, "node", "O(w + n)", lambda size: 1e-9 * size.n_weights)
    >>> measure.name, measure.takes("transform"), measure.takes("sign")
    ('node_strength', True, False)
    """

    function: Callable[..., Any]
    level: Level
    complexity: str
    seconds: Callable[[Size], float]
    unrolls: bool = False
    partitions: bool = False
    read: Callable[[Any], Any] = lambda result: result

    @property
    def of_nodes(self) -> bool:
        """Whether there is one value per node in what it returns."""
        return self.level == "node" or self.partitions

    @property
    def name(self) -> str:
        """Its public name."""
        return self.function.__name__

    def takes(self, option: str) -> bool:
        """Return whether the function has an option of that name."""
        return option in signature(self.function).parameters
