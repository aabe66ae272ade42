"""From arrays to a graph of networkit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import require
from cntgraph.core.memory import check_memory
from cntgraph.graph.conversions.edges import EdgeArrays

if TYPE_CHECKING:
    from networkit import Graph as Graph

#: Held for an edge: its ends and its weight at both nodes, and the arrays it comes from.
BYTES_AN_EDGE = 65


def networkit_graph(attributes: Mapping[str, NDArray[Any]], edges: EdgeArrays) -> Graph:
    """Return a directed weighted graph of networkit.

    Parameters
    ----------
    attributes : mapping of str to ndarray, shape (n_nodes,)
        At least one.
    edges : EdgeArrays

    Returns
    -------
    networkit.Graph
        Nodes have the attributes, truth values as 0 and 1; edges have their weight only.

    Raises
    ------
    MissingExtraError
        If networkit is not installed.
    GraphSizeError
        If there is not the memory for so many edges.

    Notes
    -----
    networkit views node ids as 64-bit integers without a check, whatever they are: arrays of
    another type would be misread. From a ``coo_matrix`` it takes no weights.
    """
    networkit = require("networkit", "networkit", needed_for="A graph of networkit")
    check_memory(BYTES_AN_EDGE * edges.n_edges, f"networkit, for {edges.n_edges:,} edges,")
    n_nodes = len(next(iter(attributes.values())))
    ends = tuple(np.ascontiguousarray(side, dtype=np.intp) for side in (edges.source, edges.target))
    made = networkit.Graph(n_nodes, weighted=True, directed=True)
    made.addEdges((np.ascontiguousarray(edges.weight), ends))
    for name, values in attributes.items():
        kind = {"f": float, "O": str}.get(values.dtype.kind, int)
        attribute = made.attachNodeAttribute(name, kind)
        for node, value in enumerate(values.tolist()):
            attribute[node] = kind(value)
    return made
