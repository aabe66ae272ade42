"""From arrays to a graph of networkx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.graph.conversions.edges import EdgeArrays

if TYPE_CHECKING:
    from networkx import DiGraph as DiGraph

#: Held for an edge: its dictionary, and its places in those of two nodes.
BYTES_AN_EDGE = 350


def networkx_graph(
    attributes: Mapping[str, NDArray[Any]], edges: EdgeArrays, *, multigraph: bool
) -> DiGraph:
    """Return a directed graph of networkx whose nodes are 0 to n_nodes - 1, in order.

    Parameters
    ----------
    attributes : mapping of str to ndarray, shape (n_nodes,)
        At least one.
    edges : EdgeArrays
    multigraph : bool
        Whether edges between the same two nodes stay several; their keys count from 0.

    Returns
    -------
    networkx.DiGraph or networkx.MultiDiGraph
        Edges have `weight` (float), `block` (str) and `parametric` (bool). All values are Python
        scalars, which the writers of networkx can write.

    Raises
    ------
    GraphSizeError
        If there is not the memory for so many edges.

    Notes
    -----
    The dictionaries of the graph are filled here: ``add_edges_from`` makes and updates two more
    for every edge, and takes more than twice as long. Nodes are one object each wherever they
    occur, which saves 64 bytes an edge.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> networkx_graph(graph.node_attributes(), graph.edge_arrays(), multigraph=False)
    <networkx.classes.digraph.DiGraph object at ...>
    """
    import networkx as nx

    check_memory(BYTES_AN_EDGE * edges.n_edges, f"networkx, for {edges.n_edges:,} edges,")
    columns = {name: values.tolist() for name, values in attributes.items()}
    made = (nx.MultiDiGraph if multigraph else nx.DiGraph)()
    rows = zip(*columns.values(), strict=True)
    made.add_nodes_from(enumerate(dict(zip(columns, row, strict=True)) for row in rows))
    (_fill_multi if multigraph else _fill_simple)(made._succ, made._pred, made, edges)
    return made


def _fill_simple(successors: Any, predecessors: Any, nodes: Any, edges: EdgeArrays) -> None:
    for u, v, data in _edges(nodes, edges):
        successors[u][v] = predecessors[v][u] = data


def _fill_multi(successors: Any, predecessors: Any, nodes: Any, edges: EdgeArrays) -> None:
    for u, v, data in _edges(nodes, edges):
        keys = successors[u].get(v)
        if keys is None:
            keys = successors[u][v] = predecessors[v][u] = {}
        keys[len(keys)] = data


def _edges(nodes: Any, edges: EdgeArrays) -> Iterator[tuple[int, int, dict[str, Any]]]:
    ids = np.empty(len(nodes), dtype=object)
    ids[:] = list(nodes)
    names = np.array(edges.block_names, dtype=object)
    values = (edges.weight, names[edges.block], edges.parametric[edges.block])
    data = [
        {"weight": weight, "block": block, "parametric": parametric}
        for weight, block, parametric in zip(*(v.tolist() for v in values), strict=True)
    ]
    return zip(ids[edges.source].tolist(), ids[edges.target].tolist(), data, strict=True)
