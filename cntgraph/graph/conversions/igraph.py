"""From arrays to a graph of igraph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.graph.conversions.edges import EdgeArrays

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

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> made = igraph_graph(graph.node_attributes(), graph.edge_arrays())
    >>> made.vcount(), made.ecount(), made.es[0]["block"]
    (20, 88, 'fc1')
    """
    check_memory(BYTES_AN_EDGE * edges.n_edges, f"igraph, for {edges.n_edges:,} edges,")
    n_nodes = len(next(iter(attributes.values())))
    names = np.array(edges.block_names, dtype=object)
    made = igraph_of_pairs(n_nodes, edges.source, edges.target)
    for name, values in attributes.items():
        made.vs[name] = values.tolist()
    made.es["weight"] = edges.weight.tolist()
    made.es["block"] = names[edges.block].tolist()
    made.es["parametric"] = edges.parametric[edges.block].tolist()
    return made


def igraph_of_pairs(
    n_nodes: int, source: NDArray[Any], target: NDArray[Any], *, directed: bool = True
) -> Graph:
    """Return a graph of igraph that has no attributes, edges in the order of the arrays.

    Parameters
    ----------
    n_nodes : int
    source, target : ndarray of int, shape (n_edges,)
    directed : bool, default True

    Returns
    -------
    igraph.Graph

    Notes
    -----
    Pairs are made one at a time, from one object per node: igraph 1.0 takes an array of shape
    (n_edges, 2) as well, but reads it several times slower.

    Examples
    --------
    >>> igraph_of_pairs(3, np.array([0, 1]), np.array([1, 2])).get_edgelist()
    [(0, 1), (1, 2)]
    """
    import igraph

    ids = np.arange(n_nodes).astype(object)
    pairs = zip(ids[source].tolist(), ids[target].tolist(), strict=True)
    return igraph.Graph(n_nodes, pairs, directed=directed)
