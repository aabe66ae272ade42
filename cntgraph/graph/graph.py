"""Graph: the explicit graph, one CSR adjacency over all layers with a table of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.names import unknown_name
from cntgraph.core.table_html import unfolding_table
from cntgraph.core.types import Values
from cntgraph.graph.conversions.edges import EdgeArrays, Parallel, check_parallel, edge_arrays
from cntgraph.graph.conversions.nodes import Measures, node_attributes
from cntgraph.graph.conversions.own_graph import OwnGraph
from cntgraph.graph.edge_sums import edge_sums
from cntgraph.network.block_columns import node_columns
from cntgraph.network.blocks.csr import csr_of
from cntgraph.network.blocks.transform import Transform, check_transform
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, check_edges
from cntgraph.network.node_sums import NodeSums
from cntgraph.network.node_table import node_table

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

    from cntgraph.graph.conversions.igraph import Graph as IGraph
    from cntgraph.graph.conversions.networkit import Graph as NetworkitGraph
    from cntgraph.graph.conversions.networkx import DiGraph
    from cntgraph.graph.conversions.pyg import Data as PygData

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Graph(OwnGraph):
    """The explicit directed weighted graph of a network.

    Two blocks may connect the same pair of nodes (a convolution and the skip around it): both
    edges are stored, so that sums of |w| or w² and degrees are those of the edges. Call
    ``graph.adjacency.copy().sum_duplicates()`` for a simple graph.

    Parameters
    ----------
    adjacency : scipy.sparse.csr_array, shape (n_nodes, n_nodes)
        A[i, j] is the weight of the edge i → j; a stored zero is an edge of weight zero.
        Columns ascend within a row.
    edge_block : ndarray of unsigned int, shape (n_edges,)
        For each entry of ``adjacency.data``, the block it belongs to.
    layers : tuple of Layer
        In node order.
    block_names : tuple of str
        What `edge_block` counts.
    parametric : ndarray of bool, shape (n_blocks,)
        Which blocks' edges are learned.
    bias : ndarray of float64, shape (n_nodes,)
        The bias of every node, from the blocks in the graph.
    parametric_bias : ndarray of float64, shape (n_nodes,)
        The part of it that comes from learned blocks.
    table : pandas.DataFrame, optional
        What `nodes` is, where layers hold only some of the nodes that their shapes would have.
    labels : mapping, default {}
        What is known of the network it is of: step, epoch, accuracy, ….

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> graph
    <Graph: 4 layers, 20 nodes, 88 edges>
    >>> graph.nodes.head(2)[["layer", "channel", "bias"]]
         layer  channel  bias
    node
    0    input        0   0.0
    1    input        1   0.0
    """

    adjacency: csr_array
    edge_block: NDArray[Any]
    layers: tuple[Layer, ...]
    block_names: tuple[str, ...]
    parametric: NDArray[np.bool_]
    bias: Values
    parametric_bias: Values = field(repr=False)
    table: pd.DataFrame | None = field(default=None, repr=False)
    labels: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        n = sum(layer.n_nodes for layer in self.layers)
        fits = (
            self.adjacency.shape == (n, n)
            and self.edge_block.shape == self.adjacency.data.shape
            and self.bias.shape == self.parametric_bias.shape == (n,)
            and len(self.parametric) == len(self.block_names)
            and (self.table is None or len(self.table) == n)
        )
        if not fits:
            raise CntGraphError(
                f"expected an adjacency of shape ({n}, {n}), a block per edge and a bias per node; "
                f"got {self.adjacency.shape}, {self.edge_block.shape}, {self.bias.shape}"
            )

    def __repr__(self) -> str:
        return f"<Graph: {len(self.layers)} layers, {self.n_nodes:,} nodes, {self.n_edges:,} edges>"

    def _repr_html_(self) -> str:
        return unfolding_table(repr(self), node_columns(self.layers))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.adjacency.shape[0])

    @property
    def n_edges(self) -> int:
        """Number of edges, those of weight zero included."""
        return int(self.adjacency.nnz)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def layer_slice(self, name: str) -> slice:
        """Return the node ids of a layer.

        Raises
        ------
        CntGraphError
            If there is no such layer; the message lists the names.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer.slice
        raise unknown_name(name, (layer.name for layer in self.layers), "layer")

    def node_sums(self, *transforms: Transform, edges: Edges = "all") -> dict[Transform, NodeSums]:
        """Return what `Network.node_sums` does, from the adjacency: read once per transform."""
        check_edges(edges)
        for transform in transforms:
            check_transform(transform)
        counted = None if edges == "all" or self.parametric.all() else self.parametric
        return {
            transform: edge_sums(self.adjacency, transform, self.edge_block, counted)
            for transform in transforms
        }

    def node_attributes(self, measures: Measures | None = None) -> dict[str, NDArray[Any]]:
        """Return what other libraries are told of every node: arrays in node order, by name.

        Parameters
        ----------
        measures : mapping of str to array of shape (n_nodes,), optional
            Further attributes: numbers, truth values or texts.

        Returns
        -------
        dict of str to ndarray, shape (n_nodes,)
            ``label``, the columns of `nodes`, the measures.

        Raises
        ------
        CntGraphError
            If a measure is not one value per node, or has the name of an attribute that there is
            and other values.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.build_graph(cg.toy("cnn"))
        >>> graph.node_attributes()["label"][[0, 40, 126]].tolist()
        ['input[0, 0, 0]', 'conv1[0, 0, 4]', 'fc[0]']
        """
        return node_attributes(self.layers, self.nodes, measures)

    def edge_arrays(self, *, parallel: Parallel = "sum") -> EdgeArrays:
        """Return the edges as arrays: source, target, weight and block of each.

        Parameters
        ----------
        parallel : {"sum", "keep"}, default "sum"
            Whether edges between the same two nodes (a convolution and the skip around it) are
            added up, their blocks' names joined by ``+``, or stay several.

        Returns
        -------
        EdgeArrays
            By source, then by target; with ``"keep"`` aligned with ``adjacency.data``. Some of
            the arrays may be the graph's own: copy what is to be written to.

        Examples
        --------
        >>> import cntgraph as cg
        >>> edges = cg.build_graph(cg.toy("mlp")).edge_arrays()
        >>> edges.n_edges, edges.source[:3], edges.target[:3], edges.block_names[edges.block[0]]
        (88, array([0, 0, 0], dtype=int32), array([6, 7, 8], dtype=int32), 'fc1')
        """
        return edge_arrays(
            self.adjacency, self.edge_block, self.block_names, self.parametric, parallel=parallel
        )

    def to_scipy(self, *, parallel: Parallel = "sum") -> csr_array:
        """Return the adjacency as a matrix of its own, in float64.

        Parameters
        ----------
        parallel : {"sum", "keep"}, default "sum"
            As in `edge_arrays`; with ``"keep"`` a pair of nodes may have several entries.

        Returns
        -------
        scipy.sparse.csr_array of float64, shape (n_nodes, n_nodes)
            A[i, j] is the weight of i → j; edges of weight zero are stored. A copy.

        Examples
        --------
        >>> import cntgraph as cg
        >>> cg.build_graph(cg.toy("residual")).to_scipy().nnz
        45
        """
        check_parallel(parallel)
        matrix = self.adjacency.astype(np.float64)
        if parallel == "sum":
            matrix.sum_duplicates()
        return matrix

    def to_networkx(
        self, *, measures: Measures | None = None, parallel: Parallel = "sum"
    ) -> DiGraph:
        """Return the graph as one of networkx.

        Parameters
        ----------
        measures : mapping of str to array of shape (n_nodes,), optional
            Become attributes of the nodes, beside those of `node_attributes`.
        parallel : {"sum", "keep"}, default "sum"
            As in `edge_arrays`.

        Returns
        -------
        networkx.DiGraph, or networkx.MultiDiGraph with ``parallel="keep"``
            Nodes are 0 to n_nodes - 1 in order, isolated ones too. Edges have `weight` (float),
            `block` (str) and `parametric` (bool). Weights are as they are: negative, zero, NaN.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.build_graph(cg.toy("mlp"))
        >>> g = graph.to_networkx(measures={"strength": cg.node_strength(graph)})
        >>> g.nodes[7]["label"], g.edges[0, 7]["block"], g.number_of_edges()
        ('fc1[1]', 'fc1', 88)
        """
        from cntgraph.graph.conversions.networkx import networkx_graph

        edges = self.edge_arrays(parallel=parallel)
        attributes = self.node_attributes(measures)
        return networkx_graph(attributes, edges, multigraph=parallel == "keep")

    def to_igraph(self, *, measures: Measures | None = None, parallel: Parallel = "sum") -> IGraph:
        """Return the graph as one of igraph.

        Parameters
        ----------
        measures, parallel
            As in `to_networkx`.

        Returns
        -------
        igraph.Graph
            Nodes and edges as in `to_networkx`; with ``parallel="keep"``, edge k is entry k of
            ``adjacency.data``.

        Examples
        --------
        >>> import cntgraph as cg
        >>> g = cg.build_graph(cg.toy("mlp")).to_igraph()
        >>> g.vs[7]["label"], g.es[1]["block"], g.ecount()
        ('fc1[1]', 'fc1', 88)
        """
        from cntgraph.graph.conversions.igraph import igraph_graph

        edges = self.edge_arrays(parallel=parallel)
        return igraph_graph(self.node_attributes(measures), edges)

    def to_networkit(
        self, *, measures: Measures | None = None, parallel: Parallel = "sum"
    ) -> NetworkitGraph:
        """Return the graph as one of networkit (``pip install 'cntgraph[networkit]'``).

        Parameters
        ----------
        measures, parallel
            As in `to_networkx`.

        Returns
        -------
        networkit.Graph
            Nodes as in `to_networkx`, truth values as 0 and 1; edges have their weight only.

        Raises
        ------
        MissingExtraError
            If networkit is not installed.
        """
        from cntgraph.graph.conversions.networkit import networkit_graph

        edges = self.edge_arrays(parallel=parallel)
        return networkit_graph(self.node_attributes(measures), edges)

    def to_pyg(self, *, measures: Measures | None = None, parallel: Parallel = "sum") -> PygData:
        """Return the graph as data of PyTorch Geometric (``pip install 'cntgraph[pyg]'``).

        Parameters
        ----------
        measures, parallel
            As in `to_networkx`; measures have to be numbers.

        Returns
        -------
        torch_geometric.data.Data
            ``edge_index`` (int64, (2, n_edges)) and ``edge_weight`` (float64), by source and then
            by target; ``edge_block`` (int64), an index of ``block_names``, and ``parametric``
            (bool), one per edge; ``num_nodes``; of nodes ``layer`` (int64), an index of
            ``layer_names``, ``channel`` (int64), ``place`` (int64, (n_nodes, 3): z, y, x) and
            ``bias`` (float64). With `measures`, ``x`` (float32, (n_nodes, n_measures)): features.

        Raises
        ------
        MissingExtraError
            If PyTorch Geometric is not installed.
        CntGraphError
            If a measure is not one number per node.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.build_graph(cg.toy("mlp"))
        >>> data = graph.to_pyg(measures={"strength": cg.node_strength(graph)})
        >>> data.edge_index.shape, data.x.shape, data.num_nodes
        (torch.Size([2, 88]), torch.Size([20, 1]), 20)
        """
        from cntgraph.graph.conversions.pyg import pyg_data

        edges = self.edge_arrays(parallel=parallel)
        return pyg_data(self.layers, self.nodes, edges, measures)

    def keep_edges(self, kept: NDArray[np.bool_]) -> Graph:
        """Return the graph of the same nodes and some of the edges.

        Parameters
        ----------
        kept : ndarray of bool, shape (n_edges,)
            For each entry of ``adjacency.data``, whether its edge stays.

        Returns
        -------
        Graph
            Biases are those of the nodes, and stay.

        Raises
        ------
        CntGraphError
            If there is not one truth value per edge.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.build_graph(cg.toy("mlp"))
        >>> graph.keep_edges(graph.adjacency.data > 0)
        <Graph: 4 layers, 20 nodes, 46 edges>
        """
        kept = np.asarray(kept)
        if kept.shape != (self.n_edges,) or kept.dtype != bool:
            raise CntGraphError(
                f"expected one truth value per edge, shape ({self.n_edges},); "
                f"got {kept.dtype} of shape {kept.shape}"
            )
        before = np.concatenate([[0], np.cumsum(kept)])
        old = self.adjacency
        arrays = (old.data[kept], old.indices[kept], before[old.indptr])
        return replace(self, adjacency=csr_of(*arrays, old.shape), edge_block=self.edge_block[kept])

    def with_weights(self, weights: NDArray[Any]) -> Graph:
        """Return the graph of the same nodes and edges with other weights.

        Parameters
        ----------
        weights : ndarray, shape (n_edges,)
            In the order of ``adjacency.data``.

        Returns
        -------
        Graph

        Raises
        ------
        CntGraphError
            If there is not one weight per edge.

        Examples
        --------
        >>> import cntgraph as cg
        >>> graph = cg.build_graph(cg.toy("mlp"))
        >>> bool(graph.with_weights(np.abs(graph.adjacency.data)).adjacency.min() < 0)
        False
        """
        old, weights = self.adjacency, np.asarray(weights)
        if weights.shape != (self.n_edges,):
            raise CntGraphError(
                f"expected one weight per edge, shape ({self.n_edges},); got {weights.shape}"
            )
        return replace(self, adjacency=csr_of(weights, old.indices, old.indptr, old.shape))

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One row per node, in node order.

        ``layer`` and ``layer_index``, its name and its place in the order of depth; ``kind`` and
        ``activation`` of the layer; ``channel``, ``z``, ``y``, ``x``, of which the last three
        count along the last axes of the layer's shape, -1 where it has none; ``bias``.
        """
        return node_table(self.layers, self.bias) if self.table is None else self.table
