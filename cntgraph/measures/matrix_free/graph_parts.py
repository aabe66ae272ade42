"""The edges of an explicit graph in a few matrices, by the layer they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.blocks.csr import csr_of
from cntgraph.blocks.transform import Transform, apply_transform
from cntgraph.graph import Graph
from cntgraph.measures.explicit.graph import explicit_graph
from cntgraph.measures.matrix_free.part import Part
from cntgraph.network import Edges
from cntgraph.view import View

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ids = NDArray[np.int64]


def graph_parts(graph: Graph, transform: Transform, edges: Edges, sign: float) -> tuple[Part, ...]:
    """Return sign · f(A) of a graph: a matrix a layer, from its nodes to the layers they reach.

    Parameters
    ----------
    graph : Graph
    transform : str
    edges : {"all", "parametric"}
    sign : float

    Returns
    -------
    tuple of Part
    """
    graph = explicit_graph(graph, edges=edges)
    old = graph.adjacency
    matrix = csr_of(sign * apply_transform(old.data, transform), old.indices, old.indptr, old.shape)
    starts = np.array([layer.start for layer in graph.layers], dtype=np.int64)
    return tuple(
        _part(layer.name, matrix, np.arange(layer.slice.start, layer.slice.stop), starts)
        for layer in graph.layers
        if old.indptr[layer.slice.stop] > old.indptr[layer.slice.start]
    )


def _part(name: str, matrix: csr_array, rows: Ids, starts: Ids) -> Part:
    """Return the rows of some nodes, its columns those of the runs of nodes that they reach."""
    own = matrix[rows[0] : rows[-1] + 1] if len(rows) == rows[-1] - rows[0] + 1 else matrix[rows]
    n = matrix.shape[1]
    run = np.searchsorted(starts, own.indices, side="right") - 1
    reached = np.unique(run)
    ends = np.append(starts[1:], n)
    columns = np.concatenate([np.arange(starts[k], ends[k]) for k in reached] or [rows[:0]])
    place = np.zeros(n, dtype=np.int64)
    place[columns] = np.arange(len(columns))
    shape = (len(rows), len(columns))
    moved = csr_of(own.data, place[own.indices], own.indptr, shape)
    return Part.of_matrix(name, moved, View.of(rows), View.of(columns), parametric=True)
