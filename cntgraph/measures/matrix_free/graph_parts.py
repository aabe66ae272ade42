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
        Where layers feed back and nodes do not (an unrolled recurrent layer), a matrix for the
        nodes of each depth instead, so that they have an order.
    """
    graph = explicit_graph(graph, edges=edges)
    old = graph.adjacency
    matrix = csr_of(sign * apply_transform(old.data, transform), old.indices, old.indptr, old.shape)
    starts = np.array([layer.start for layer in graph.layers], dtype=np.int64)
    parts = tuple(
        _part(layer.name, matrix, np.arange(layer.slice.start, layer.slice.stop), starts)
        for layer in graph.layers
        if old.indptr[layer.slice.stop] > old.indptr[layer.slice.start]
    )
    if not any(_reads_what_it_writes(part) for part in parts):
        return parts
    depth = depth_of_nodes(matrix)
    if depth is None:
        return parts
    by_depth = (np.flatnonzero(depth == d) for d in range(int(depth.max(initial=0)) + 1))
    every_node = np.arange(graph.n_nodes, dtype=np.int64)
    found = [_part(f"depth {d}", matrix, rows, every_node) for d, rows in enumerate(by_depth)]
    return tuple(part for part in found if part.n_edges)


def _reads_what_it_writes(part: Part) -> bool:
    low, high = part.source.span()
    nodes = part.target.as_ids()
    return bool(((nodes >= low) & (nodes < high)).any())


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


def depth_of_nodes(matrix: csr_array) -> Ids | None:
    """Return the number of edges on the longest path to each node; None if there is a cycle.

    Parameters
    ----------
    matrix : csr_array, shape (n, n)

    Returns
    -------
    ndarray of int64, shape (n,), or None

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> depth_of_nodes(csr_array(np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]])))
    array([0, 1, 2])
    >>> depth_of_nodes(csr_array(np.eye(2))) is None
    True
    """
    n = matrix.shape[0]
    waiting = np.bincount(matrix.indices, minlength=n)
    depth = np.full(n, -1, dtype=np.int64)
    ready, level = np.flatnonzero(waiting == 0), 0
    while ready.size:
        depth[ready] = level
        reached, counts = np.unique(_out_neighbours(matrix, ready), return_counts=True)
        waiting[reached] -= counts
        ready, level = reached[waiting[reached] == 0], level + 1
    return None if (depth < 0).any() else depth


def _out_neighbours(matrix: csr_array, nodes: Ids) -> Ids:
    """Return the targets of all edges that leave some nodes."""
    starts = matrix.indptr[nodes].astype(np.int64)
    counts = matrix.indptr[nodes + 1] - starts
    before = np.cumsum(counts) - counts
    places = np.arange(int(counts.sum())) + np.repeat(starts - before, counts)
    return np.asarray(matrix.indices[places], dtype=np.int64)
