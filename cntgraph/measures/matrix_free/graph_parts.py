"""The edges of an explicit graph in a few parts, by the layer they leave; none is copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.part import Part
from cntgraph.measures.matrix_free.rows import Rows
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, check_edges

#: Edges that are looked at together.
_CHUNK = 1 << 20


def graph_parts(graph: Graph, transform: Transform, edges: Edges, sign: float) -> tuple[Part, ...]:
    """Return sign · f(A) of a graph: one part per layer, from its nodes to the layers they reach.

    Parameters
    ----------
    graph : Graph
    transform : str
    edges : {"all", "parametric"}
    sign : float

    Returns
    -------
    tuple of Part
        Learned edges and structural ones in parts of their own.
    """
    check_edges(edges)
    kinds = sorted(set(graph.parametric.tolist())) if edges == "all" else [True]
    found = []
    for parametric in kinds:
        counted = graph.parametric == parametric
        for layer in graph.layers:
            reached, n_edges = _reached(graph, layer, counted)
            if n_edges:
                columns = _nodes_of(graph, reached)
                own = np.zeros(0, dtype=bool) if counted.all() else counted
                rows = Rows(graph, layer.slice, View.of(columns), transform, sign, own)
                found.append(rows.part(layer.name, n_edges, parametric=parametric))
    return tuple(found)


def _reached(
    graph: Graph, layer: Layer, counted: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], int]:
    """Return which layers the counted edges out of a layer lead to, and how many these are."""
    starts = np.array([other.start for other in graph.layers], dtype=np.int64)
    reached, n_edges = np.zeros(len(starts), dtype=bool), 0
    matrix = graph.adjacency
    first, last = (int(matrix.indptr[k]) for k in (layer.slice.start, layer.slice.stop))
    for low in range(first, last, _CHUNK):
        here = slice(low, min(low + _CHUNK, last))
        targets = matrix.indices[here]
        if not counted.all():
            targets = targets[counted[graph.edge_block[here]]]
        n_edges += len(targets)
        reached[np.searchsorted(starts, targets, side="right") - 1] = True
    return reached, n_edges


def _nodes_of(graph: Graph, layers: NDArray[np.bool_]) -> Ids:
    """Return the nodes of some layers."""
    chosen = [graph.layers[k].slice for k in np.flatnonzero(layers)]
    return np.concatenate([np.arange(own.start, own.stop) for own in chosen])
