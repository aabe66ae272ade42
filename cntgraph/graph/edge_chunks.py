"""edge_chunks: the edges of a network or a graph, some at a time; never all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Array
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.csr import index_dtype, row_runs
from cntgraph.network.network import Edges, Network

#: Edges of one chunk unless said otherwise: about 40 MB.
CHUNK_EDGES = 2_000_000


class EdgeChunk(NamedTuple):
    """Some edges of one block.

    Attributes
    ----------
    block : str
        The name of the block.
    source, target : ndarray of int, shape (n,)
        Nodes.
    weight : ndarray of float32 or float64, shape (n,)
    """

    block: str
    source: Array
    target: Array
    weight: Array


@takes(Network, Graph)
def edge_chunks(
    net_or_graph: Network | Graph, *, edges: Edges = "all", size: int = CHUNK_EDGES
) -> Iterator[EdgeChunk]:
    """Yield every edge once, in chunks of one block each.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled chunk by chunk, and its blocks follow each other; the chunks of a
        graph are those of its adjacency, cut by block.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) are among them.
    size : int, default 2 million
        Edges of a chunk, at most; those of one node and block stay together whatever their number.

    Yields
    ------
    EdgeChunk
        Within a block by source, as the operation sees them, and by target.

    Raises
    ------
    CntGraphError
        If `size` is not positive.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> sum(len(chunk.weight) for chunk in cg.edge_chunks(net, size=100)) == net.n_edges
    True
    """
    if size < 1:
        raise CntGraphError(f"expected chunks of at least one edge, got size={size}")
    if isinstance(net_or_graph, Graph):
        yield from _of_graph(net_or_graph, edges, size)
        return
    dtype = index_dtype(net_or_graph.n_nodes)
    for block in net_or_graph.select_blocks(edges):
        for source, target, weight in _of_block(block, size):
            yield EdgeChunk(block.name, source.astype(dtype), target.astype(dtype), weight)


def _of_block(block: Block, size: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield source, target and weight of the edges of a block, some rows at a time."""
    nodes, targets = block.source.as_ids(), block.target.as_ids()
    degrees = np.where(nodes >= 0, block.out_degrees(), 0)
    ends = np.cumsum(degrees)
    position = index_dtype(block.target.size)
    for first, last in row_runs(ends, size):
        own = degrees[first:last]
        n = int(own.sum())
        starts = np.full(len(degrees), -1, dtype=np.int64)
        starts[first:last] = np.where(own > 0, np.cumsum(own) - own, -1)
        indices, data = np.empty(n, position), np.empty(n, block.dtype)
        block.write_edges(starts, 0, indices, data)
        yield np.repeat(nodes[first:last], own), targets[indices], data


def _of_graph(graph: Graph, edges: Edges, size: int) -> Iterator[EdgeChunk]:
    matrix = graph.adjacency
    for start in range(0, graph.n_edges, size):
        here = slice(start, min(start + size, graph.n_edges))
        numbers = np.arange(here.start, here.stop)
        source = np.searchsorted(matrix.indptr, numbers, side="right") - 1
        marks = graph.edge_block[here]
        for k in np.unique(marks).tolist():
            if edges == "parametric" and not graph.parametric[k]:
                continue
            own = marks == k
            target, weight = matrix.indices[here][own], matrix.data[here][own]
            yield EdgeChunk(graph.block_names[k], source[own].astype(target.dtype), target, weight)
