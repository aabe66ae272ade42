"""Execution: what a framework computes for real inputs, by the nodes of the network."""

from __future__ import annotations

from typing import Protocol

from cntgraph.core.types import Array
from cntgraph.network.network import Network
from cntgraph.network.node_values import NodeValues


class Execution(Protocol):
    """A model that its framework runs, seen as its network.

    Attributes
    ----------
    net : Network
        As `load` gives it with the same options.
    """

    net: Network

    def run(self, inputs: tuple[Array, ...], /) -> dict[str, NodeValues]:
        """Return what layers receive and emit for one batch, by name; those that it can see."""
        ...
