"""From arrays to a graph of igraph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.engines.edges import EdgeArrays
from cntgraph.memory import check_memory

if TYPE_CHECKING:
    from igraph import Graph as Graph

#: Held for an edge: its ends, twice sorted, and its attributes.
BYTES_AN_EDGE = 110


def igraph_graph(attributes: Mapping[str, NDArray[Any]], edges: EdgeArrays) -> Graph:
    """Return a directed graph of igraph, edges in the order of the arrays.

    Parameters
    ----------
    attributes : mapping of str to ndarray, shape (n_nodes,)
        At least one.
    edges : EdgeArrays

    Returns
    -------
    igraph.Graph
        Edges have `weight` (float), `block` (str) and `parametric` (bool). All values are Python
        scalars.

    Raises
    ------
    GraphSizeError
        If there is not the memory for so many edges.

    Notes
    -----
    Pairs are made one at a time, from one object a node: igraph 1.0 takes an array of shape
    (n_edges, 2) as well, but reads it several times slower.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> made = igraph_graph(graph.node_attributes(), graph.edge_arrays())
    >>> made.vcount(), made.ecount(), made.es[0]["block"]
    (20, 88, 'fc1')
    """
    import igraph

    check_memory(BYTES_AN_EDGE * edges.n_edges, f"igraph, for {edges.n_edges:,} edges,")
    n_nodes = len(next(iter(attributes.values())))
    ids = np.arange(n_nodes).astype(object)
    names = np.array(edges.block_names, dtype=object)
    pairs = zip(ids[edges.source].tolist(), ids[edges.target].tolist(), strict=True)
    made = igraph.Graph(n_nodes, pairs, directed=True)
    for name, values in attributes.items():
        made.vs[name] = values.tolist()
    made.es["weight"] = edges.weight.tolist()
    made.es["block"] = names[edges.block].tolist()
    made.es["parametric"] = edges.parametric[edges.block].tolist()
    return made
