"""The maximum spanning tree of every block: the strongest edges that connect what it connects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError, GraphSizeError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids, Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.weight_tree import convolution_tree, counted, dense_tree
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.dense import Dense


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

    def persistence(
        self, top: float, p: float, *, normalized: bool = True, essential: bool = False
    ) -> float:
        """Return the norm of the persistences of its components.

        Parameters
        ----------
        top : float
            The |w| at which all nodes are born.
        p : float
            Which norm.
        normalized : bool, default True
            Whether to divide by the largest value that so many nodes can have.
        essential : bool, default False
            Whether the component that is never merged counts as a persistence of 1.

        Returns
        -------
        float
            NaN without a node.
        """
        if self.n_nodes == 0:
            return float("nan")
        never = self.n_parts - (0 if essential else 1)
        lives = 1.0 - (self.sizes / top if top > 0 else self.sizes)
        if np.isinf(p):
            return float(max(lives.max(initial=0.0), 1.0 if never else 0.0))
        total = float((lives**p).sum()) + never
        # The bound is reached where every other component persists to the end.
        return float((total / (self.n_nodes - 1 if normalized else 1)) ** (1 / p))


def check_norm(p: float) -> None:
    """Raise if persistences have no such norm.

    Raises
    ------
    CntGraphError
    """
    if not p >= 1:
        raise CntGraphError(f"expected p to be 1 or more; got {p!r}")


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
    if isinstance(block, Dense) and block.kept is None:
        n_nodes, sizes = dense_tree(block)
        return SpanningTree(block.name, n_nodes, n_edges, sizes)
    if isinstance(block, Conv) and block.kept is None:
        n_nodes, sizes = convolution_tree(block)
        return SpanningTree(block.name, n_nodes, n_edges, sizes)
    if n_edges > max_edges:
        raise GraphSizeError(
            f"block {block.name!r} has {n_edges:,} edges, and "
            f"{'as it is pruned' if block.kept else f'its kind, {block.kind!r},'} has to be "
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
    from cntgraph.core.kernels.spanning import edge_forest

    sources, n_sources = counted(sources)
    targets, n_targets = counted(targets)
    n_nodes = n_sources + n_targets
    sizes = np.abs(weights.astype(np.float64))
    parent, tree = np.full(n_nodes, -1, np.int64), np.empty(n_nodes)
    order = np.argsort(-sizes, kind="stable")
    n = edge_forest(order, sources, targets + n_sources, sizes, parent, tree)
    return SpanningTree(name, n_nodes, len(sizes), tree[:n].copy())
