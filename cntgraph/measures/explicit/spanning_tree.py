"""The maximum spanning tree of every block: the strongest edges that connect what it connects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.blocks.base import Block
from cntgraph.blocks.conv import Conv
from cntgraph.blocks.dense import Dense
from cntgraph.errors import GraphSizeError
from cntgraph.graph import Graph
from cntgraph.memory import check_memory
from cntgraph.view import View

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class SpanningTree:
    """The maximum spanning tree (or forest) of a block's bipartite graph, by |w|.

    A block that leads from a layer to itself has each node twice: as a source and as a target.

    Parameters
    ----------
    name : str
        The block.
    n_nodes : int
        Nodes that have an edge, sources and targets.
    n_edges : int
        Edges of the block.
    sizes : ndarray of float64
        |w| of the tree's edges; the largest is that of the block.
    """

    name: str
    n_nodes: int
    n_edges: int
    sizes: Values

    @property
    def n_parts(self) -> int:
        """Number of connected components."""
        return self.n_nodes - len(self.sizes)


def tree_of_block(block: Block, *, max_edges: int) -> SpanningTree:
    """Return the spanning tree of a block, unrolled only if it is neither dense nor a convolution.

    Parameters
    ----------
    block : Block
        With finite weights.
    max_edges : int
        Of a block that has to be unrolled.

    Returns
    -------
    SpanningTree

    Raises
    ------
    GraphSizeError
        If the block would have to be unrolled and has more edges.

    Examples
    --------
    >>> import cntgraph as cg
    >>> tree_of_block(cg.toy("mlp").blocks[2], max_edges=100)
    SpanningTree(name='fc3', n_nodes=6, n_edges=8, sizes=array([...]))
    """
    n_edges = block.n_edges
    if n_edges == 0:
        return SpanningTree(block.name, 0, 0, np.zeros(0))
    if isinstance(block, Dense):
        return SpanningTree(block.name, *_dense(block))
    if isinstance(block, Conv):
        return SpanningTree(block.name, *_convolution(block))
    if n_edges > max_edges:
        raise GraphSizeError(
            f"block {block.name!r} has {n_edges:,} edges, and its kind, {block.kind!r}, has to be "
            f"unrolled; the limit is max_edges={max_edges:,}. Raise it, or coarsen the network: "
            "cntgraph.coarsen(net, 'channel')"
        )
    check_memory(40 * n_edges, f"the spanning tree of {n_edges:,} edges")
    matrix = block.to_csr()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    ends = block.source.as_ids()[rows], block.target.as_ids()[matrix.indices]
    return _edges(block.name, *ends, matrix.data)


def trees_of_graph(graph: Graph, chosen: list[int]) -> Iterator[SpanningTree]:
    """Yield the spanning tree of some of a graph's blocks.

    Parameters
    ----------
    graph : Graph
        With finite weights.
    chosen : list of int
        Places of the blocks in ``graph.block_names``.

    Yields
    ------
    SpanningTree

    Examples
    --------
    >>> import cntgraph as cg
    >>> [tree.n_nodes for tree in trees_of_graph(cg.build_graph(cg.toy("mlp")), [0, 1, 2])]
    [14, 12, 6]
    """
    check_memory(16 * graph.n_edges, f"the blocks of {graph.n_edges:,} edges")
    matrix = graph.adjacency
    order = np.argsort(graph.edge_block, kind="stable")
    bounds = np.searchsorted(graph.edge_block[order], np.arange(len(graph.block_names) + 1))
    for k in chosen:
        own = order[bounds[k] : bounds[k + 1]]
        sources = np.searchsorted(matrix.indptr, own, side="right") - 1
        yield _edges(graph.block_names[k], sources, matrix.indices[own], matrix.data[own])


def _edges(name: str, sources: Ids, targets: Ids, weights: NDArray[Any]) -> SpanningTree:
    from cntgraph.kernels.spanning import edge_forest

    sources, n_sources = _counted(sources)
    targets, n_targets = _counted(targets)
    n_nodes = n_sources + n_targets
    sizes = np.abs(weights.astype(np.float64))
    parent, tree = np.full(n_nodes, -1, np.int64), np.empty(n_nodes)
    order = np.argsort(-sizes)
    n = edge_forest(order, sources, targets + n_sources, sizes, parent, tree)
    return SpanningTree(name, n_nodes, len(sizes), tree[:n].copy())


def _dense(block: Dense) -> tuple[int, int, Values]:
    from cntgraph.kernels.spanning import full_tree

    size = 2 * block.weight.dtype.itemsize * prod(block.weight.shape)
    check_memory(size, f"the weight of block {block.name!r}")
    weight = _merged(_merged(block.weight.read(), block.target, 0), block.source, 1)
    tree = np.empty(sum(weight.shape) - 1)
    full_tree(np.ascontiguousarray(weight), tree)
    return len(tree) + 1, block.n_edges, tree


def _merged(weight: NDArray[Any], view: View, axis: int) -> NDArray[Any]:
    """Return |w| with one row or column a node: the largest of those that see the same node."""
    labels, n = _labels(view)
    if view.ids is None or (n == view.size and labels.min(initial=0) >= 0):
        return weight
    kept = np.flatnonzero(labels >= 0)
    order = kept[np.argsort(labels[kept], kind="stable")]
    starts = np.searchsorted(labels[order], np.arange(n))
    return np.asarray(np.maximum.reduceat(np.abs(weight).take(order, axis), starts, axis))


def _convolution(block: Conv) -> tuple[int, int, Values]:
    from cntgraph.kernels.spanning import convolution_forest, convolution_parts

    size = 8 * (3 * (block.source.size + block.target.size) + 2 * prod(block.weight.shape))
    check_memory(size, f"the spanning tree of block {block.name!r}")
    kernel, per_group = block.row_kernel()
    places = _by_tap(block, kernel.shape[2])
    sources, n_sources = _labels(block.source)
    targets, n_targets = _labels(block.target)
    nodes = (
        sources.reshape(block.source.shape[0], -1),
        n_sources + targets.reshape(block.target.shape[0], -1),
    )
    parent = np.full(n_sources + n_targets, -1, np.int64)
    linked = np.zeros(len(parent), np.bool_)
    tree = np.empty(convolution_parts(kernel.shape, per_group, *places, *nodes, linked, parent))
    parent[:] = -1
    order = np.argsort(-np.abs(kernel.reshape(-1)))
    convolution_forest(order, kernel, per_group, *places, *nodes, linked, parent, tree)
    return int(linked.sum()), block.n_edges, tree


def _by_tap(block: Conv, n_taps: int) -> tuple[Ids, Ids, Ids]:
    """Return the pairs of positions that each tap connects: indptr, source and target position."""
    indptr, tap, after = block.pattern()
    before = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.argsort(tap, kind="stable")
    bounds = np.searchsorted(tap[order], np.arange(n_taps + 1))
    return bounds, before[order], after[order]


def _labels(view: View) -> tuple[Ids, int]:
    """Return the nodes that a view sees, counted from 0, -1 where there is none; and how many."""
    if view.ids is None:
        return np.arange(view.size, dtype=np.int64), view.size
    labels, n = _counted(view.ids[view.ids >= 0])
    every = np.full(view.size, -1, np.int64)
    every[view.ids >= 0] = labels
    return every, n


def _counted(nodes: Ids) -> tuple[Ids, int]:
    """Return node ids counted from 0, without those that do not occur; and how many do."""
    occurs = np.zeros(int(nodes.max(initial=-1)) + 1, np.bool_)
    occurs[nodes] = True
    return (np.cumsum(occurs) - 1)[nodes], int(occurs.sum())
