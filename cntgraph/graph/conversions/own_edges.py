"""OwnEdges: nodes and edges from elsewhere: matrices, lists, graphs of other libraries."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Array, Ids

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from cntgraph.graph.conversions.igraph import Graph as IGraph
    from cntgraph.graph.conversions.networkx import DiGraph


class OwnEdges(NamedTuple):
    """Edges between nodes that are counted as they came, and what they were called.

    Attributes
    ----------
    n_nodes : int
    source, target : ndarray of int64, shape (n_edges,)
    weight : ndarray of float32 or float64, shape (n_edges,)
    names : sequence, or None
        One per node; None where nodes have no names.
    """

    n_nodes: int
    source: Ids
    target: Ids
    weight: Array
    names: Sequence[Hashable] | None = None

    def both_ways(self) -> OwnEdges:
        """Return the edges of an undirected graph: each in both directions, loops once."""
        back = self.source != self.target
        return self._replace(
            source=np.concatenate([self.source, self.target[back]]),
            target=np.concatenate([self.target, self.source[back]]),
            weight=np.concatenate([self.weight, self.weight[back]]),
        )


def scipy_edges(matrix: csr_array, names: Sequence[Hashable] | None) -> OwnEdges:
    """Return the edges of a sparse matrix, each stored entry one.

    Raises
    ------
    CntGraphError
        If it is no square sparse matrix of numbers, or there is not one name per row.
    """
    if not (hasattr(matrix, "tocoo") and matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]):
        shape = getattr(matrix, "shape", "no shape")
        raise CntGraphError(
            f"expected a square sparse matrix, A[i, j] the weight of i → j; got "
            f"{type(matrix).__name__} of {shape}; scipy.sparse.csr_array(array) makes one"
        )
    entries = matrix.tocoo()
    source, target = (side.astype(np.int64) for side in (entries.row, entries.col))
    weight = _weights(entries.data, entries.nnz)
    return _named_once(OwnEdges(matrix.shape[0], source, target, weight, names))


def listed_edges(
    source: ArrayLike, target: ArrayLike, weight: ArrayLike | None, nodes: Any
) -> OwnEdges:
    """Return edges given by their ends, which are numbers or names.

    Raises
    ------
    CntGraphError
        If there are not as many ends and weights, or an end is no node.
    """
    ends = tuple(np.asarray(side) for side in (source, target))
    if ends[0].ndim != 1 or ends[0].shape != ends[1].shape:
        raise CntGraphError(
            f"expected a source and a target per edge; got {ends[0].shape} and {ends[1].shape}"
        )
    n = len(ends[0])
    numbered = n == 0 or all(side.dtype.kind in "iu" for side in ends)
    if isinstance(nodes, (int, np.integer)) or (nodes is None and numbered):
        first, second = (side.astype(np.int64) for side in ends)
        most = 1 + max(int(side.max(initial=-1)) for side in (first, second))
        n_nodes = most if nodes is None else int(nodes)
        return _inside(OwnEdges(n_nodes, first, second, _weights(weight, n)))
    pairs = np.stack([side.astype(object) for side in ends], axis=1).reshape(-1).tolist()
    names = list(dict.fromkeys(pairs)) if nodes is None else list(nodes)
    ids = {name: k for k, name in enumerate(names)}
    unknown = next((name for name in pairs if name not in ids), None)
    if unknown is not None:
        raise CntGraphError(f"an edge has an end {unknown!r}, which is none of nodes=")
    places = np.array([ids[name] for name in pairs], dtype=np.int64).reshape(-1, 2)
    return _named_once(OwnEdges(len(names), places[:, 0], places[:, 1], _weights(weight, n), names))


def networkx_edges(graph: DiGraph, weight: str | None) -> OwnEdges:
    """Return the edges of a graph of networkx; those without the attribute weigh one."""
    names = list(graph)
    ids = {name: k for k, name in enumerate(names)}
    rows = [(ids[u], ids[v], w) for u, v, w in graph.edges(data=weight or "", default=1.0)]
    source, target, values = zip(*rows, strict=True) if rows else ((), (), ())
    first, second = (np.array(side, dtype=np.int64) for side in (source, target))
    given = None if weight is None else _listed(values)
    found = OwnEdges(len(names), first, second, _weights(given, len(rows)), names)
    return found if graph.is_directed() else found.both_ways()


def igraph_edges(graph: IGraph, weight: str | None) -> OwnEdges:
    """Return the edges of a graph of igraph; all weigh one where it has no such attribute."""
    ends = np.array(graph.get_edgelist(), dtype=np.int64).reshape(-1, 2)
    given = _listed(graph.es[weight]) if weight in graph.es.attributes() else None
    names = graph.vs["name"] if "name" in graph.vs.attributes() else None
    values = _weights(given, len(ends))
    found = _named_once(OwnEdges(graph.vcount(), ends[:, 0], ends[:, 1], values, names))
    return found if graph.is_directed() else found.both_ways()


def _listed(values: Sequence[Any]) -> Array:
    """Return Python's numbers as an array; of anything else, one that is refused."""
    numbers = all(isinstance(value, int | float | np.number) for value in values)
    return np.asarray(values, dtype=np.float64 if numbers else object)


def _weights(values: ArrayLike | None, n: int) -> Array:
    """Return weights as float32 or float64; ones where there are none."""
    found = np.ones(n) if values is None else np.asarray(values)
    if found.shape != (n,) or found.dtype.kind not in "biuf":
        raise CntGraphError(
            f"expected a number as the weight of each of {n} edges; got {found.dtype} of shape "
            f"{found.shape}"
        )
    small = found.dtype.kind == "f" and found.dtype.itemsize <= 4
    return found.astype(np.float32 if small else np.float64)


def _inside(edges: OwnEdges) -> OwnEdges:
    for side in (edges.source, edges.target):
        if side.size and (side.min() < 0 or side.max() >= edges.n_nodes):
            raise CntGraphError(
                f"expected ends of edges from 0 to {edges.n_nodes - 1}; got {side.min()} to "
                f"{side.max()}"
            )
    return edges


def _named_once(edges: OwnEdges) -> OwnEdges:
    names = edges.names
    if names is not None and (len(names) != edges.n_nodes or len(set(names)) < len(names)):
        raise CntGraphError(
            f"expected a name of its own for each of {edges.n_nodes} nodes; got {len(names)} "
            f"names, {len(set(names))} of them different"
        )
    return edges
