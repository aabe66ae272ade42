"""Some of the nodes, and the edges among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.reduced import Reduced, reduced
from cntgraph.network.blocks.csr import csr_of


@takes(Graph)
def keep_nodes(graph: Graph, kept: NDArray[np.bool_]) -> Reduced:
    """Keep some of the nodes, and the edges among them.

    Parameters
    ----------
    graph : Graph
    kept : ndarray of bool, shape (n_nodes,)
        For each node, whether it stays.

    Returns
    -------
    Reduced
        Nodes are counted anew; ``reduced.node_ids`` says which they were. In ``graph.nodes`` each
        keeps its place in its layer; a layer's shape becomes the number of its nodes. A layer may
        be left without any.

    Raises
    ------
    CntGraphError
        If there is not one truth value per node.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("cnn"))
    >>> reduced = keep_nodes(graph, cg.node_strength(graph, transform="absolute") > 3)
    >>> reduced
    <Reduced: 64 of 129 nodes, 208 of 638 edges (32.6 %), 33.3 % of Σ|w|>
    >>> reduced.graph.node_attributes()["label"][:2].tolist()
    ['input[0, 0, 1]', 'input[0, 0, 2]']
    """
    kept = np.asarray(kept)
    if kept.shape != (graph.n_nodes,) or kept.dtype != bool:
        raise CntGraphError(
            f"expected one truth value per node, shape ({graph.n_nodes},); "
            f"got {kept.dtype} of shape {kept.shape}"
        )
    return reduced(graph, _induced(graph, kept), np.flatnonzero(kept))


@takes(Graph)
def drop_isolated_nodes(graph: Graph) -> Reduced:
    """Leave out the nodes that no edge reaches or leaves.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Reduced
        As in `keep_nodes`; all edges stay. A node whose only edge is one to itself stays.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.graph.reduction.threshold import threshold_edges
    >>> strong = threshold_edges(cg.build_graph(cg.toy("cnn")), 1.01).graph
    >>> drop_isolated_nodes(strong)
    <Reduced: 62 of 129 nodes, 31 of 31 edges (100 %), 100 % of Σ|w|>
    """
    kept = np.diff(graph.adjacency.indptr) > 0
    kept[graph.adjacency.indices] = True
    return keep_nodes(graph, kept)


def _induced(graph: Graph, kept: NDArray[np.bool_]) -> Graph:
    counts = np.diff(graph.adjacency.indptr)
    among = kept[graph.adjacency.indices]
    among &= np.repeat(kept, counts)
    inner = graph.keep_edges(among)
    old, n = inner.adjacency, int(kept.sum())
    new_id = np.cumsum(kept, dtype=old.indices.dtype) - 1
    indptr = np.concatenate([[0], np.cumsum(np.diff(old.indptr)[kept])])
    layers, start = [], 0
    for layer in graph.layers:
        size = int(kept[layer.slice].sum())
        layers.append(replace(layer, shape=(size,), start=start))
        start += size
    return replace(
        inner,
        adjacency=csr_of(old.data, new_id[old.indices], indptr, (n, n)),
        layers=tuple(layers),
        bias=graph.bias[kept],
        parametric_bias=graph.parametric_bias[kept],
        table=graph.nodes[kept].reset_index(drop=True).rename_axis("node"),
    )
