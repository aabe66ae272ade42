"""Reduced: a smaller graph, and what it keeps of the one it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cntgraph.graph.graph import Graph


@dataclass(frozen=True, eq=False)
class Reduced:
    """A smaller graph, and what it keeps of the one it comes from.

    Parameters
    ----------
    graph : Graph
        With the signed weights of the edges that are kept.
    n_nodes_before, n_edges_before : int
        Nodes and edges of the graph it comes from.
    weight, weight_before : float
        Σ|w| of its edges, and of those of the graph it comes from.
    node_ids : ndarray of int64, shape (graph.n_nodes,)
        The node of the graph it comes from that each of its nodes is: ``measure[node_ids]``.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.graph.reduction.threshold import threshold_edges
    >>> reduced = threshold_edges(cg.build_graph(cg.toy("mlp")), 0.5)
    >>> reduced
    <Reduced: 29 of 88 edges (33 %), 60.6 % of Σ|w|>
    >>> reduced.graph
    <Graph: 4 layers, 20 nodes, 29 edges>
    """

    graph: Graph
    n_nodes_before: int
    n_edges_before: int
    weight: float
    weight_before: float
    node_ids: NDArray[np.int64] = field(repr=False)

    @property
    def edge_fraction(self) -> float:
        """Share of the edges that is kept; 1 of a graph without edges."""
        return self.graph.n_edges / self.n_edges_before if self.n_edges_before else 1.0

    @property
    def weight_fraction(self) -> float:
        """Share of Σ|w| that is kept; 1 where that is zero, NaN where a weight is."""
        return self.weight / self.weight_before if self.weight_before else 1.0

    def __repr__(self) -> str:
        nodes = ""
        if self.graph.n_nodes != self.n_nodes_before:
            nodes = f"{self.graph.n_nodes:,} of {self.n_nodes_before:,} nodes, "
        edges = f"{self.graph.n_edges:,} of {self.n_edges_before:,} edges"
        shares = [f"{100 * share:.3g} %" for share in (self.edge_fraction, self.weight_fraction)]
        return f"<Reduced: {nodes}{edges} ({shares[0]}), {shares[1]} of Σ|w|>"


def reduced(before: Graph, after: Graph, node_ids: NDArray[np.int64] | None = None) -> Reduced:
    """Return what a smaller graph keeps of the one it comes from.

    Parameters
    ----------
    before, after : Graph
    node_ids : ndarray of int64, shape (after.n_nodes,), optional
        Default: the nodes are the same.

    Returns
    -------
    Reduced
    """
    ids = np.arange(after.n_nodes) if node_ids is None else node_ids
    weights = (total_weight(after), total_weight(before))
    return Reduced(after, before.n_nodes, before.n_edges, *weights, ids)


def total_weight(graph: Graph) -> float:
    """Return Σ|w| over all edges, in float64.

    Examples
    --------
    >>> import cntgraph as cg
    >>> round(total_weight(cg.build_graph(cg.toy("mlp"))), 3)
    34.112
    """
    data, step = graph.adjacency.data, 1 << 20
    parts = (np.abs(data[k : k + step]) for k in range(0, data.size, step))
    return float(sum(part.sum(dtype=np.float64) for part in parts))
