"""The edges of an explicit graph in a few matrices, by the layer they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.graph import explicit_graph
from cntgraph.measures.matrix_free.part import Part
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def graph_parts(graph: Graph, transform: Transform, edges: Edges, sign: float) -> tuple[Part, ...]:
    """Return sign · f(A) of a graph: one matrix per layer, from its nodes to the layers they reach.

    Parameters
    ----------
    graph : Graph
    transform : str
    edges : {"all", "parametric"}
    sign : float

    Returns
    -------
    tuple of Part
        Learned edges and structural ones in matrices of their own.
    """
    graph, found = explicit_graph(graph, edges=edges), []
    for parametric in sorted(set(graph.parametric.tolist())):
        own = graph
        if not (graph.parametric == parametric).all():
            own = graph.keep_edges((graph.parametric == parametric)[graph.edge_block])
        found += _by_layer(own, transform, sign, parametric)
    return tuple(found)


def _by_layer(graph: Graph, transform: Transform, sign: float, parametric: bool) -> list[Part]:
    old = graph.adjacency
    matrix = csr_of(sign * apply_transform(old.data, transform), old.indices, old.indptr, old.shape)
    starts = np.array([layer.start for layer in graph.layers], dtype=np.int64)
    return [
        _of_layer(layer, matrix, starts, parametric)
        for layer in graph.layers
        if old.indptr[layer.slice.stop] > old.indptr[layer.slice.start]
    ]


def _of_layer(layer: Layer, matrix: csr_array, starts: Ids, parametric: bool) -> Part:
    """Return the rows of a layer's nodes, with columns for the nodes of the layers they reach."""
    own, n = matrix[layer.slice], matrix.shape[1]
    reached = np.unique(np.searchsorted(starts, own.indices, side="right") - 1)
    ends = np.append(starts[1:], n)
    columns = np.concatenate([np.arange(starts[k], ends[k]) for k in reached])
    place = np.zeros(n, dtype=own.indices.dtype)
    place[columns] = np.arange(len(columns))
    moved = csr_of(own.data, place[own.indices], own.indptr, (layer.n_nodes, len(columns)))
    source = View((layer.n_nodes,), layer.start)
    return Part.of_matrix(layer.name, moved, source, View.of(columns), parametric=parametric)
