"""The adjacency matrix of a network as an operator: products with vectors, nothing unrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids, Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.graph_parts import graph_parts
from cntgraph.measures.matrix_free.order import Stage, stages_of
from cntgraph.measures.matrix_free.part import Part, nodes_of
from cntgraph.network.blocks.transform import Transform, check_transform
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import LinearOperator


@dataclass(frozen=True, eq=False)
class Operator:
    """A matrix M known by its parts, over some nodes of a network.

    Parameters
    ----------
    parts : tuple of Part
        Whose edges it adds up.
    shape : tuple of int
        Number of rows and of columns.
    """

    parts: tuple[Part, ...]
    shape: tuple[int, int]

    @property
    def n_edges(self) -> int:
        """Number of edges, parallel ones and those of weight zero included."""
        return sum(part.n_edges for part in self.parts)

    def matvec(self, x: Values) -> Values:
        """Return M x: what the sources receive from values on the targets."""
        total = np.zeros(self.shape[0])
        for part in self.parts:
            part.pull(x, total)
        return total

    def rmatvec(self, z: Values) -> Values:
        """Return Mᵀ z: what the targets receive from values on the sources."""
        total = np.zeros(self.shape[1])
        for part in self.parts:
            part.push(z, total)
        return total

    def on_cycles(self) -> NDArray[np.bool_]:
        """Return, of a square matrix, which nodes are on a cycle or behind one.

        Nodes that no edge leads to are taken away, until all have one from what is left: an
        edge of weight zero counts. It takes as many products as the longest path has edges.
        """
        left = np.ones(self.shape[0], dtype=bool)
        while left.any():
            reached, nodes = np.zeros(self.shape[0]), left.astype(np.float64)
            for part in self.parts:
                seen = part.source.gather(nodes)
                if seen.any():
                    part.target.scatter_add(reached, part.links(seen))
            still = left & (reached > 0.5)
            if (still == left).all():
                break
            left = still
        return left

    def to_csr(self) -> csr_array:
        """Return the matrix unrolled, parallel edges added up, those of weight zero kept."""
        from scipy.sparse import csr_array

        total = csr_array(self.shape, dtype=np.float64)
        for part in self.parts:
            total = total + part.unrolled(self.shape).tocsr()
        return total

    def linear_operator(self) -> LinearOperator:
        """Return it as a ``scipy.sparse.linalg.LinearOperator``."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            shape=self.shape,
            dtype=np.dtype(np.float64),
            matvec=lambda x: self.matvec(x.reshape(-1)),
            rmatvec=lambda z: self.rmatvec(z.reshape(-1)),
        )


@dataclass(frozen=True, eq=False)
class AdjacencyOperator(Operator):
    """The whole adjacency matrix f(A), block by block, without unrolling it.

    A product takes memory for one value per node and for the products of its largest block; the
    weights are read anew for each.

    Parameters
    ----------
    parts : tuple of Part
        The blocks of a network, or the edges of a graph in a few matrices.
    shape : tuple of int
        (n_nodes, n_nodes).
    layers : tuple of Layer
        In node order.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> operator = adjacency_operator(net, transform="absolute")
    >>> x = np.random.default_rng(0).random(net.n_nodes)
    >>> bool(np.allclose(operator.matvec(x), abs(cg.build_graph(net).adjacency) @ x))
    True
    """

    layers: tuple[Layer, ...]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.shape[0]

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The parts in an order in which each has all it depends on before it."""
        return stages_of([(part.source, part.target) for part in self.parts], self.n_nodes)

    @cached_property
    def is_dag(self) -> bool:
        """Whether no path leads back to where it began."""
        components = (
            self.among(stage.parts)[0] for stage in self.stages if stage.is_strongly_connected
        )
        return not any(component.on_cycles().any() for component in components)

    def among(self, parts: Sequence[int]) -> tuple[Operator, Ids]:
        """Return the square matrix of some parts, and the ids of its nodes, ascending."""
        chosen = [self.parts[k] for k in parts]
        nodes = nodes_of([view for part in chosen for view in (part.source, part.target)])
        renumbered = tuple(part.renumbered(nodes, nodes) for part in chosen)
        return Operator(renumbered, (len(nodes), len(nodes))), nodes

    def between(self, parts: Sequence[int]) -> tuple[Operator, Ids, Ids]:
        """Return the matrix of some parts, the ids of its rows' nodes and of its columns'."""
        chosen = [self.parts[k] for k in parts]
        rows = nodes_of([part.source for part in chosen])
        columns = nodes_of([part.target for part in chosen])
        renumbered = tuple(part.renumbered(rows, columns) for part in chosen)
        return Operator(renumbered, (len(rows), len(columns))), rows, columns


def adjacency_operator(
    net_or_graph: Network | Graph,
    *,
    transform: Transform = "signed",
    edges: Edges = "all",
    magnitude: bool = False,
) -> AdjacencyOperator:
    """Return the adjacency matrix f(A) of a network or a graph as an operator.

    Parameters
    ----------
    net_or_graph : Network or Graph
    transform : str, default "signed"
        What is taken of every weight: any of signed, absolute, positive, negative, square,
        count.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) are in it.
    magnitude : bool, default False
        Whether the negative part of a weight is taken by its size, −min(w, 0).

    Returns
    -------
    AdjacencyOperator

    Raises
    ------
    GraphSizeError
        If a few values a node do not fit into memory.
    """
    check_transform(transform)
    n = net_or_graph.n_nodes
    check_memory(_BYTES_PER_NODE * n, f"measuring {n:,} nodes")
    sign = -1.0 if magnitude and transform == "negative" else 1.0
    if isinstance(net_or_graph, Graph):
        parts = graph_parts(net_or_graph, transform, edges, sign)
    else:
        blocks = net_or_graph.select_blocks(edges)
        parts = tuple(Part.of_block(block, transform, sign) for block in blocks)
    return AdjacencyOperator(parts, (n, n), net_or_graph.layers)


#: Held at once by a sweep: strengths, values, their shares.
_BYTES_PER_NODE = 40
