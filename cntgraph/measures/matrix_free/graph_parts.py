"""The edges of an explicit graph in a few parts, by the layer they leave; none is copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.graph.graph import Graph
from cntgraph.graph.row_pieces import row_pieces
from cntgraph.measures.matrix_free.part import Part
from cntgraph.measures.matrix_free.rows import Rows
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, check_edges


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
    from cntgraph.core.kernels.csr_layers import reached_layers

    starts = np.array([other.start for other in graph.layers], dtype=np.int64)
    matrix = graph.adjacency
    edges = tuple(map(read_only, (matrix.indptr, matrix.indices, graph.edge_block)))
    chosen = np.zeros(0, dtype=bool) if counted.all() else counted

    def work(rows: tuple[int, int]) -> tuple[NDArray[np.bool_], int]:
        own = np.zeros(len(starts), dtype=bool)
        return own, reached_layers(*edges, rows, chosen, starts, own)

    pieces = row_pieces(matrix.indptr, layer.slice.start, layer.slice.stop)
    found = list(ordered_map(work, pieces, threads=1 if len(pieces) == 1 else None))
    reached = np.zeros(len(starts), dtype=bool)
    for own, _ in found:
        reached |= own
    return reached, sum(n for _, n in found)


def _nodes_of(graph: Graph, layers: NDArray[np.bool_]) -> Ids:
    """Return the nodes of some layers."""
    chosen = [graph.layers[k].slice for k in np.flatnonzero(layers)]
    return np.concatenate([np.arange(own.start, own.stop) for own in chosen])
