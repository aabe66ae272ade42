"""OwnGraph: graphs that come from elsewhere, made into what every other graph is here."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Array, Ids, Values
from cntgraph.graph.conversions.own_edges import (
    OwnEdges,
    igraph_edges,
    listed_edges,
    networkx_edges,
    scipy_edges,
)
from cntgraph.graph.conversions.own_layers import Layered, Layering, own_layers
from cntgraph.network.blocks.csr import csr_of, index_dtype
from cntgraph.network.layer import Layer
from cntgraph.network.node_table import node_table

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

    from cntgraph.graph.conversions.igraph import Graph as IGraph
    from cntgraph.graph.conversions.networkx import DiGraph


class OwnGraph:
    """What makes a `Graph` of a matrix, a list of edges, or a graph of another library."""

    @classmethod
    def from_scipy(
        cls,
        matrix: csr_array,
        *,
        layers: Layering | None = None,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        nodes: Sequence[Hashable] | None = None,
        bias: ArrayLike | None = None,
    ) -> Self:
        """Return the graph of a sparse matrix.

        Parameters
        ----------
        matrix : scipy.sparse array or matrix, shape (n_nodes, n_nodes)
            A[i, j] is the weight of i → j; each stored entry is an edge, zeros and duplicates too.
        layers : optional
            Which layer each node is in. None: all in one, ``"nodes"``. ``"topological"``: by
            the longest path to a node; nodes without an edge in are the first layer, those
            without an edge out the last. A mapping of names to sizes or shapes, or `Layer` of
            another graph, in node order. Or a label per node: layers stand in the order of
            numbers, or in that in which texts occur, and nodes are put into their order.
        inputs, outputs : iterable of str, optional
            Layers that are inputs, and outputs; by default the first and the last of several.
        nodes : sequence, optional
            What nodes are called.
        bias : array_like of float, shape (n_nodes,), optional
            In the order of the matrix.

        Returns
        -------
        Graph
            Edges between two layers are a block, ``"a->b"``; all count as learned. Where nodes have
            names, or another order than before, ``graph.nodes["node_id"]`` has these.

        Raises
        ------
        CntGraphError
            If the matrix is not square, or layers or names do not fit it.
        UndefinedMeasureError
            If layers are to be by depth, and there are loops.

        Notes
        -----
        Every measure, reduction and export of graphs takes it. Without layers, what is by layer
        (`layer_fluctuation`, `strength_correlation`) has one row, and what is about paths from
        input to output (`path_count`, `path_norm`, `effective_depth`, `deep_graph_persistence`)
        raises `UndefinedMeasureError`.

        Examples
        --------
        >>> import cntgraph as cg
        >>> from scipy.sparse import csr_array
        >>> matrix = csr_array([[0.0, 0.5, -1.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
        >>> cg.Graph.from_scipy(matrix)
        <Graph: 1 layers, 3 nodes, 3 edges>
        >>> graph = cg.Graph.from_scipy(matrix, layers="topological")
        >>> graph.nodes["layer"].tolist(), cg.path_count(graph).total
        (['depth 0', 'depth 1', 'depth 2'], 2.0)
        """
        return cls._of(scipy_edges(matrix, nodes), layers, inputs, outputs, bias)

    @classmethod
    def from_edges(
        cls,
        source: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        nodes: int | Sequence[Hashable] | None = None,
        directed: bool = True,
        layers: Layering | None = None,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        bias: ArrayLike | None = None,
    ) -> Self:
        """Return the graph of a list of edges.

        Parameters
        ----------
        source, target : array_like, shape (n_edges,)
            Ends of edges: numbers of nodes from 0, or names.
        weight : array_like of float, shape (n_edges,), optional
            By default all weigh one.
        nodes : int or sequence, optional
            How many nodes there are, or their names in order; by default those that edges have,
            names as they occur.
        directed : bool, default True
            Whether an edge leads one way; otherwise it is two.
        layers, inputs, outputs, bias
            As in `from_scipy`.

        Returns
        -------
        Graph
            As `from_scipy` returns it.

        Raises
        ------
        CntGraphError
            If there are not as many sources, targets and weights, or an end is no node; and as
            `from_scipy`.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.Graph.from_edges(["a", "a", "b"], ["b", "c", "c"], [0.5, -1.0, 2.0])
        >>> graph.nodes["node_id"].tolist(), cg.node_strength(graph)
        (['a', 'b', 'c'], array([-0.5,  2.5,  1. ]))
        """
        edges = listed_edges(source, target, weight, nodes)
        return cls._of(edges if directed else edges.both_ways(), layers, inputs, outputs, bias)

    @classmethod
    def from_networkx(
        cls,
        graph: DiGraph,
        *,
        weight: str | None = "weight",
        layers: Layering | None = None,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        bias: ArrayLike | None = None,
    ) -> Self:
        """Return the graph of one of networkx.

        Parameters
        ----------
        graph : networkx.Graph, DiGraph, MultiGraph or MultiDiGraph
            An undirected edge becomes one each way.
        weight : str, default "weight"
            The attribute of edges that has their weight; 1 for those without it, and for all
            if None.
        layers : optional
            As in `from_scipy`, nodes in the order of the graph; or the attribute of nodes that
            has their layer (``"layer"`` is what `Graph.to_networkx` writes).
        inputs, outputs, bias
            As in `from_scipy`.

        Returns
        -------
        Graph
            As `from_scipy` returns it.

        Raises
        ------
        CntGraphError
            If a weight is no number, or a node is without the attribute; and as `from_scipy`.

        Examples
        --------
        >>> import cntgraph as cg
        >>> g = cg.build_graph(cg.toy("mlp")).to_networkx()
        >>> cg.Graph.from_networkx(g, layers="layer")
        <Graph: 4 layers, 20 nodes, 88 edges>
        """
        if isinstance(layers, str) and layers != "topological":
            layers = _of_attribute([graph.nodes[node].get(layers) for node in graph], layers)
        return cls._of(networkx_edges(graph, weight), layers, inputs, outputs, bias)

    @classmethod
    def from_igraph(
        cls,
        graph: IGraph,
        *,
        weight: str | None = "weight",
        layers: Layering | None = None,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        bias: ArrayLike | None = None,
    ) -> Self:
        """Return the graph of one of igraph, whose nodes are called by their ``name``, if any.

        Parameters
        ----------
        graph : igraph.Graph
            An undirected edge becomes one each way.
        weight, layers, inputs, outputs, bias
            As in `from_networkx`; all edges weigh 1 where there is no such attribute.

        Returns
        -------
        Graph
            As `from_scipy` returns it.

        Raises
        ------
        CntGraphError
            As `from_networkx`.

        Examples
        --------
        >>> import cntgraph as cg
        >>> g = cg.build_graph(cg.toy("mlp")).to_igraph()
        >>> cg.Graph.from_igraph(g, layers="layer")
        <Graph: 4 layers, 20 nodes, 88 edges>
        """
        if isinstance(layers, str) and layers != "topological":
            known = layers in graph.vs.attributes()
            layers = _of_attribute(graph.vs[layers] if known else [None], layers)
        return cls._of(igraph_edges(graph, weight), layers, inputs, outputs, bias)

    @classmethod
    def _of(
        cls,
        edges: OwnEdges,
        layers: Layering | None,
        inputs: Iterable[str] | None,
        outputs: Iterable[str] | None,
        bias: ArrayLike | None,
    ) -> Self:
        layered = own_layers(edges, layers, inputs, outputs)
        made: Any = cls
        found: Self = made(**_fields(edges, layered, _bias(bias, edges.n_nodes)))
        return found


def _of_attribute(values: list[Any], name: str) -> list[Any]:
    if any(value is None for value in values):
        raise CntGraphError(
            f"layers={name!r}: a node has no attribute of that name; expected one that all have, "
            "'topological', or layers"
        )
    return values


def _bias(bias: ArrayLike | None, n: int) -> Values:
    found = np.zeros(n) if bias is None else np.asarray(bias, dtype=np.float64)
    if found.shape != (n,):
        raise CntGraphError(f"expected a bias per node, shape ({n},); got {found.shape}")
    return found


def _fields(edges: OwnEdges, layered: Layered, bias: Values) -> dict[str, Any]:
    """Return the fields of the graph of edges whose nodes are put into the order of layers."""
    layers, order = layered
    n, new = len(order), np.empty_like(order)
    new[order] = np.arange(n)
    source, target = new[edges.source], new[edges.target]
    places = np.lexsort((target, source))
    source, target = source[places], target[places]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    columns = target.astype(index_dtype(max(n, len(target))))
    blocks, names = _blocks(layers, source, target)
    bias = bias[order]
    return {
        "adjacency": csr_of(edges.weight[places], columns, indptr, (n, n)),
        "edge_block": blocks,
        "layers": layers,
        "block_names": names,
        "parametric": np.ones(len(names), dtype=bool),
        "bias": bias,
        "parametric_bias": bias,
        "table": _table(edges, layered, bias),
    }


def _blocks(layers: tuple[Layer, ...], source: Ids, target: Ids) -> tuple[Array, tuple[str, ...]]:
    """Return the block of each edge, one for each pair of layers that edges join."""
    ends, n = np.cumsum([layer.n_nodes for layer in layers]), len(layers)
    depths = (np.searchsorted(ends, side, side="right") for side in (source, target))
    pairs, marks = np.unique(next(depths) * n + next(depths), return_inverse=True)
    names = [layer.name for layer in layers]
    joined = tuple(f"{names[k // n]}->{names[k % n]}" for k in pairs.tolist())
    return marks.astype(np.min_scalar_type(max(len(joined) - 1, 0))), joined


def _table(edges: OwnEdges, layered: Layered, bias: Values) -> pd.DataFrame | None:
    """Return the table of nodes with what they were called; None where that says nothing."""
    names, order = edges.names, layered.order
    if names is None and (order == np.arange(len(order))).all():
        return None
    ids: list[Any] = list(range(len(order))) if names is None else list(names)
    if not all(isinstance(name, int) for name in ids):
        ids = [str(name) for name in ids]
    return node_table(layered.layers, bias).assign(node_id=[ids[k] for k in order.tolist()])
