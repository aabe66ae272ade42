"""Assortativity: whether edges lead between nodes that are alike."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import directed_igraph, topology
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.strength import check_direction, node_strength
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Edges, Network

Attribute: TypeAlias = Literal["degree", "strength", "layer"] | NDArray[Any]


@takes(Network, Graph)
def assortativity(
    net_or_graph: Network | Graph,
    attribute: Attribute = "degree",
    *,
    source: Direction = "out",
    target: Direction = "in",
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> float:
    """Return the correlation of a node attribute at both ends of the edges.

    Above 0, nodes of large values lead to nodes of large values; below 0, to those of small ones;
    about 0, both ends have nothing to do with each other.

    Parameters
    ----------
    net_or_graph : Network or Graph
    attribute : {"degree", "strength", "layer"} or ndarray of shape (n_nodes,)
        What is compared. ``"strength"``: signed sums of weights, without biases. Numbers of
        floating type are correlated; integers and ``"layer"`` are labels, as of a partition,
        that are the same or not.
    source, target : {"out", "in", "total"}, default "out" and "in"
        For ``"degree"`` and ``"strength"``: which one of the node that the edge leaves, and of
        the one that it enters.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    float
        Between -1 and 1; 0 where one end says nothing of the other. By ``"layer"`` negative in
        a network of layers, as no edge stays within one.

    Raises
    ------
    CntGraphError
        If the attribute is not one value per node, or not finite.
    UndefinedMeasureError
        If there are no edges, or the attribute is the same at one end of all edges, as the
        degrees of a dense network of one block are.
    GraphSizeError
        If a network has more than `max_edges` edges.

    Notes
    -----
    Over the edges i → j, each counting once whatever its weight and parallel ones together once:
    Pearson's correlation of x_i and y_j; for labels, with e_ab the part of the edges from label
    a to b, (Σ_a e_aa - Σ_a e_a· e_·a)/(1 - Σ_a e_a· e_·a). A loop counts as an edge. Degrees are
    those of the same simple graph, strengths of all edges. In igraph, O(n_edges). Needs no
    `sign`: strengths are signed sums.

    References
    ----------
    .. [1] M. E. J. Newman, "Mixing patterns in networks", Phys. Rev. E 67 (2003), eqs. 2 and 21.
    .. [2] J. G. Foster, D. V. Foster, P. Grassberger, M. Paczuski, "Edge direction and the
       structure of networks", PNAS 107 (2010), for the four kinds of directions.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> round(assortativity(net), 3), round(assortativity(net, "layer"), 3)
    (-0.261, -0.301)
    """
    check_direction(source)
    check_direction(target)
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    matrix = topology(graph)
    if not matrix.nnz:
        raise UndefinedMeasureError("assortativity is a mean over edges, and there are none")
    made = directed_igraph(matrix)
    if isinstance(attribute, str) and attribute in ("degree", "strength"):
        ends = [_of(attribute, graph, matrix, direction) for direction in (source, target)]
        return _correlation(made, matrix, *ends)
    values = _layer_index(graph) if _is_name(attribute, "layer") else _checked(attribute, graph)
    if np.issubdtype(values.dtype, np.floating):
        return _correlation(made, matrix, values.astype(np.float64), values.astype(np.float64))
    labels = np.unique(values, return_inverse=True)[1]
    sources = np.repeat(labels, np.diff(matrix.indptr))
    if len(np.unique(np.concatenate([sources, labels[matrix.indices]]))) == 1:
        raise UndefinedMeasureError("all edges are among nodes of one label: nothing to compare")
    return float(made.assortativity_nominal(labels.tolist(), directed=True))


def operations(n_nodes: int, n_edges: int) -> float:
    """Return how many elementary operations it takes.

    Examples
    --------
    >>> operations(1000, 20_000)
    21000.0
    """
    return float(n_nodes + n_edges)


def _is_name(attribute: Attribute, name: str) -> bool:
    return isinstance(attribute, str) and attribute == name


def _of(attribute: str, graph: Graph, matrix: Any, direction: Direction) -> Values:
    """Return the degree of the simple graph, or the strength of all edges."""
    if attribute == "strength":
        return node_strength(graph, direction=direction, edges="all", bias=False)
    out = np.diff(matrix.indptr).astype(np.float64)
    into = np.bincount(matrix.indices, minlength=graph.n_nodes).astype(np.float64)
    chosen: dict[str, Values] = {"out": out, "in": into, "total": out + into}
    return chosen[direction]


def _layer_index(graph: Graph) -> NDArray[np.int64]:
    return np.repeat(np.arange(graph.n_layers), [layer.n_nodes for layer in graph.layers])


def _checked(attribute: Attribute, graph: Graph) -> NDArray[Any]:
    values = np.asarray(attribute)
    if values.shape != (graph.n_nodes,) or values.dtype.kind not in "fiub":
        raise CntGraphError(
            "expected an attribute of 'degree', 'strength', 'layer' or one number per node, shape "
            f"({graph.n_nodes},); got {attribute!r}"
        )
    if not np.isfinite(values).all():
        raise CntGraphError("expected a finite attribute; got NaN or infinity at some nodes")
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def _correlation(made: Any, matrix: Any, x: Values, y: Values) -> float:
    ends = np.repeat(x, np.diff(matrix.indptr)), y[matrix.indices]
    if not (np.isfinite(ends[0]).all() and np.isfinite(ends[1]).all()):
        raise CntGraphError("expected finite strengths; some weights are NaN or infinite")
    if any(end.max() - end.min() <= 1e-12 * np.abs(end).max() for end in ends):
        raise UndefinedMeasureError(
            "assortativity is a correlation over edges, and the attribute is the same at one end "
            "of all edges"
        )
    return float(made.assortativity(x.tolist(), y.tolist(), directed=True))
