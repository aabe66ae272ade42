"""Network: layers, the blocks of edges between them, and the parameters they are read from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.names import matching, unknown_name
from cntgraph.core.parameter import Parameter
from cntgraph.core.table_html import unfolding_table
from cntgraph.core.types import Array, Columns, Values
from cntgraph.core.view import View, parts_of
from cntgraph.network.block_columns import block_columns
from cntgraph.network.blocks.base import Block, broadcasts
from cntgraph.network.blocks.class_values import ClassValues
from cntgraph.network.blocks.csr import index_dtype
from cntgraph.network.blocks.transform import Transform, check_transform
from cntgraph.network.by_layer import ByLayer
from cntgraph.network.coarsening.granularity import Granularity, coarse_parts
from cntgraph.network.coarsening.grouping import Aggregation
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.each_block import each_block
from cntgraph.network.labeled_values import labeled_values
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import LayerSums
from cntgraph.network.node_sums import NodeSums, layer_sums, node_sums
from cntgraph.network.node_table import node_table
from cntgraph.network.part import part_of
from cntgraph.network.size import Estimate

if TYPE_CHECKING:
    import pandas as pd

Edges = Literal["parametric", "all"]


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network as a directed weighted graph that need not be unrolled.

    Node ids follow the layers in topological order; inside a layer, C order over its shape.

    Parameters
    ----------
    layers : tuple of Layer
        In node order.
    blocks : tuple of Block
        In the order of the operations.
    parameters : mapping of str to Parameter
        Every stored tensor of the model, by the name the framework gave it.
    entries : tuple of CoverageEntry, default ()
        What became of every parameter and operation.
    labels : mapping, default {}
        What is known of this network: step, epoch, accuracy, ….

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> net
    <Network: 4 layers, 3 blocks, 20 nodes, 88 edges, 102 parameters>
    >>> net.split(cg.node_strength(net))["fc3"].shape
    (2,)
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    entries: tuple[CoverageEntry, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        start = 0
        for layer in self.layers:
            if layer.start != start:
                raise CntGraphError(f"layer {layer.name!r}: expected to start at node {start}")
            start += layer.n_nodes
        for what in (self.layers, self.blocks):
            names = [item.name for item in what]
            if len(set(names)) != len(names):
                raise CntGraphError(f"expected unique names, got {names}")
        for block in self.blocks:
            for view in (block.source, block.target):
                low, high = view.span()
                if low < 0 or high > self.n_nodes:
                    raise CntGraphError(f"block {block.name!r}: node ids beyond the layers")
            if block.bias is not None and not broadcasts(block.bias.shape, block.target.shape):
                raise CntGraphError(
                    f"block {block.name!r}: expected a bias that broadcasts against its target, "
                    f"{block.target.shape}; got {block.bias.shape}"
                )

    def __repr__(self) -> str:
        return (
            f"<Network: {self.n_layers} layers, {len(self.blocks)} blocks, {self.n_nodes:,} nodes, "
            f"{self.n_edges:,} edges, {self.n_parameters:,} parameters>"
        )

    def _repr_html_(self) -> str:
        return unfolding_table(repr(self), block_columns(self))

    # -- sizes ------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.layers[-1].slice.stop if self.layers else 0

    @property
    def n_layers(self) -> int:
        """Number of layers, inputs included."""
        return len(self.layers)

    @cached_property
    def n_edges(self) -> int:
        """Number of edges of all blocks, convolutions unrolled; no weight is read but masks."""
        return sum(block.n_edges for block in self.blocks)

    @property
    def is_weights_alone(self) -> bool:
        """Whether no block leads on from another: several weights, of which no graph is known."""
        reached = {id(layer) for block in self.blocks for layer in self.layers_of(block.target)}
        left = {id(layer) for block in self.blocks for layer in self.layers_of(block.source)}
        return len(self.blocks) > 1 and not reached & left

    @property
    def n_parameters(self) -> int:
        """Number of trainable values, each counted once however many blocks read it."""
        return sum(p.size for p in self.parameters.values() if p.trainable)

    def estimate(
        self,
        *,
        edges: Edges = "all",
        granularity: Granularity = "neuron",
        aggregation: Aggregation = "sum",
    ) -> Estimate:
        """Return the size of the explicit graph, in closed form; no weight is read but masks.

        Parameters
        ----------
        edges : {"all", "parametric"}, default "all"
            Which edges the graph would have.
        granularity, aggregation
            As in `coarsen`.

        Returns
        -------
        Estimate

        Examples
        --------
        >>> import cntgraph as cg
        >>> net = cg.toy("cnn")
        >>> net.estimate().n_edges, net.estimate(granularity="channel").n_edges
        (638, 10)
        """
        if granularity != "neuron":
            return coarsen(self, granularity, aggregation=aggregation).estimate(edges=edges)
        chosen = self.select_blocks(edges)
        n_edges = sum(block.n_edges for block in chosen)
        weight = np.result_type(np.float32, *(block.dtype for block in chosen)).itemsize
        index = index_dtype(max(self.n_nodes, n_edges)).itemsize
        mark = np.min_scalar_type(max(len(chosen) - 1, 0)).itemsize
        nbytes = n_edges * (weight + index + mark) + index * (self.n_nodes + 1)
        return Estimate(self.n_nodes, n_edges, nbytes)

    # -- parts ------------------------------------------------------------------------------

    def layer(self, name: str) -> Layer:
        """Return the layer called `name`.

        Raises
        ------
        CntGraphError
            If there is none; the message lists the names.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown_name(name, (layer.name for layer in self.layers), "layer")

    def layer_slice(self, name: str) -> slice:
        """Return the node ids of a layer.

        Raises
        ------
        CntGraphError
            If there is no such layer; the message lists the names.
        """
        return self.layer(name).slice

    def select_blocks(self, edges: Edges = "all") -> tuple[Block, ...]:
        """Return the blocks whose edges are of the kind asked for.

        Parameters
        ----------
        edges : {"all", "parametric"}

        Returns
        -------
        tuple of Block

        Raises
        ------
        CntGraphError
            If `edges` is neither.
        """
        check_edges(edges)
        return tuple(b for b in self.blocks if edges == "all" or b.parametric)

    def layers_of(self, view: View) -> tuple[Layer, ...]:
        """Return the layers whose nodes a view shows, in order."""
        if view.ids is None:
            found = range(self._layer_index(view.start), self._layer_index(view.span()[1] - 1) + 1)
            return tuple(self.layers[k] for k in found) if view.size else ()
        return tuple(self.layers[k] for k in parts_of(view.ids, np.array(self._starts)))

    def around(self, layer: Layer) -> Network:
        """Return the network with only those blocks that may lead to or from a layer's nodes."""
        low, high = layer.start, layer.slice.stop
        spans = ((block, (block.source.span(), block.target.span())) for block in self.blocks)
        near = tuple(b for b, both in spans if any(i < high and low < j for i, j in both))
        return replace(self, blocks=near)

    def keep_layers(self, *patterns: str) -> Network:
        """Return the network of some layers and the blocks among them.

        Parameters
        ----------
        *patterns : str
            Names of layers, or patterns such as ``"layer1.*"``, in which ``*`` stands for any
            letters; in any order, layers stay in that of the network.

        Returns
        -------
        Network
            Nodes are counted anew. Parameters, and rows of its coverage, are those that its blocks
            read; a bias stays with its block, and goes with it.

        Raises
        ------
        CntGraphError
            If a pattern stands for no layer; the message lists the names.

        See Also
        --------
        keep_blocks : Blocks by their names, and the layers that they join.
        cntgraph.keep_layers : The same of a graph.

        Examples
        --------
        >>> import cntgraph as cg
        >>> cg.toy("mlp").keep_layers("fc1", "fc2")
        <Network: 2 layers, 1 blocks, 12 nodes, 32 edges, 36 parameters>
        """
        names = matching(patterns, [layer.name for layer in self.layers], "layer")
        return self._part(self.blocks, names)

    def keep_blocks(self, *patterns: str) -> Network:
        """Return the network of some blocks and the layers that they join.

        What leads to a module and away from it belongs to it, and the layers at its ends may be
        called otherwise: ``net.keep_blocks("*self_attn*")`` is the attention of a transformer with
        its learned edges, from the layers that it reads to those that it adds to.

        Parameters
        ----------
        *patterns : str
            Names of blocks, or patterns such as ``"*self_attn*"``.

        Returns
        -------
        Network
            As in `keep_layers`, without other blocks between the same layers.

        Raises
        ------
        CntGraphError
            If a pattern stands for no block; the message lists the names.

        Examples
        --------
        >>> import cntgraph as cg
        >>> part = cg.toy("residual").keep_blocks("fc*")
        >>> [layer.name for layer in part.layers], [block.name for block in part.blocks]
        (['input', 'fc1', 'sum'], ['fc1', 'fc2'])
        """
        chosen = matching(patterns, [block.name for block in self.blocks], "block")
        blocks = [block for block in self.blocks if block.name in set(chosen)]
        ends = [self.layers_of(view) for block in blocks for view in (block.source, block.target)]
        return self._part(blocks, {layer.name for layers in ends for layer in layers})

    def _part(self, blocks: Sequence[Block], names: Collection[str]) -> Network:
        layers, kept = part_of(self.layers, blocks, names)
        read = {parameter.name for block in kept for parameter in block.parameters()}
        return replace(
            self,
            layers=layers,
            blocks=kept,
            parameters={name: p for name, p in self.parameters.items() if name in read},
            entries=tuple(entry for entry in self.entries if entry.name in read),
        )

    def _layer_index(self, node: int) -> int:
        return bisect_right(self._starts, node) - 1

    @cached_property
    def _starts(self) -> list[int]:
        return [layer.start for layer in self.layers]

    def blocks_into(self, layer: Layer) -> tuple[Block, ...]:
        """Return the blocks whose edges end in a layer."""
        return tuple(self._into.get(layer.name, ()))

    @cached_property
    def _into(self) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        for block in self.blocks:
            found.setdefault(self.ends[block.name], []).append(block)
        return found

    @cached_property
    def ends(self) -> dict[str, str]:
        """The layer in which each block's edges end, by their names; ``""`` for none."""
        ends = {}
        for block in self.blocks:
            layers = self.layers_of(block.target)
            ends[block.name] = layers[0].name if layers else ""
        return ends

    # -- node values --------------------------------------------------------------------------

    def bias(self, edges: Edges = "all") -> Values:
        """Return the bias of every node, summed over the blocks that end in it.

        Returns
        -------
        ndarray of float64, shape (n_nodes,)
        """
        return self.biases(edges).values("in")

    def biases(self, edges: Edges = "all") -> LayerSums:
        """Return the bias of every node, layer by layer, those of alike nodes held once."""
        found = LayerSums(self.layers)
        blocks = [block for block in self.select_blocks(edges) if block.bias is not None]
        for block, bias in zip(blocks, each_block(_bias_of, blocks), strict=True):
            found.add("in", block.target, ClassValues.of_broadcast(bias, block.target.shape))
        return found

    def layer_sums(
        self, *transforms: Transform, edges: Edges = "all"
    ) -> dict[Transform, LayerSums]:
        """Return what `node_sums` does, layer by layer, the sums of alike nodes held once.

        Parameters
        ----------
        *transforms, edges
            As in `node_sums`.

        Returns
        -------
        dict of str to LayerSums

        Raises
        ------
        CntGraphError
            If an option is not one of those of `node_sums`.

        Examples
        --------
        >>> import cntgraph as cg
        >>> sums = cg.toy("cnn").layer_sums("count")["count"].of_layer(1, "in")
        >>> sums.shape, sums.table.shape, sums.counts().sum()
        ((2, 6, 6), (2, 3, 3), np.float64(72.0))
        """
        for transform in transforms:
            check_transform(transform)
        return layer_sums(self.select_blocks(edges), self.layers, transforms)

    def node_sums(self, *transforms: Transform, edges: Edges = "all") -> dict[Transform, NodeSums]:
        """Return the sums over every node's edges; weights are read once for all transforms.

        Parameters
        ----------
        *transforms : str
            What is summed: any of signed, absolute, positive, negative, square, fourth, count.
        edges : {"all", "parametric"}
            Whether structural edges (pooling, identity) count. Biases do not: they are no edges.

        Returns
        -------
        dict of str to NodeSums

        Raises
        ------
        CntGraphError
            If an option is not one of those above.

        Examples
        --------
        >>> import cntgraph as cg
        >>> sums = cg.toy("mlp").node_sums("count", "fourth")
        >>> sums["count"].incoming.astype(int)
        array([0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 8, 8, 8, 8, 4, 4])
        """
        return node_sums(self.layer_sums(*transforms, edges=edges))

    def to_xarray(self, values: NDArray[Any]) -> Any:
        """Return a node measure as a dataset of xarray: a variable a layer, with named axes.

        Parameters
        ----------
        values : ndarray, shape (n_nodes,)
            Any node measure.

        Returns
        -------
        xarray.Dataset
            By layer name, values of the layer's shape, with its kind and activation as attributes.
            The axes are called ``layer.channel``, ``layer.position_1`` and so on.

        Raises
        ------
        CntGraphError
            If there is not one value per node.
        MissingExtraError
            If xarray is not installed.

        Examples
        --------
        >>> import cntgraph as cg
        >>> net = cg.toy("cnn")
        >>> strength = net.to_xarray(cg.node_strength(net))
        >>> strength["conv1"].dims, strength["conv1"].mean("conv1.position_1").shape
        (('conv1.channel', 'conv1.position_1', 'conv1.position_2'), (2, 6))
        """
        return labeled_values(self.layers, self.split(values))

    def split(self, values: NDArray[Any]) -> ByLayer:
        """Cut a node measure into layers, each shaped like its layer.

        Parameters
        ----------
        values : ndarray, shape (n_nodes,)
            Any node measure.

        Returns
        -------
        dict of str to ndarray
            Views into `values`, by layer name.

        Raises
        ------
        CntGraphError
            If the number of values is not the number of nodes; if no layer has the name that is
            asked for, by what is returned.
        """
        values = np.asarray(values)
        if values.shape != (self.n_nodes,):
            raise CntGraphError(
                f"expected one value per node, shape ({self.n_nodes},); got {values.shape}"
            )
        each = {layer.name: values[layer.slice].reshape(layer.shape) for layer in self.layers}
        return ByLayer(each)

    # -- tables and copies ----------------------------------------------------------------------

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One row per node, in node order, as `Graph.nodes` of the whole network."""
        return node_table(self.layers, self.bias())

    @property
    def coverage(self) -> pd.DataFrame:
        """One row per parameter (and per operation that was left out): where it went, and why."""
        import pandas as pd

        return pd.DataFrame(self.coverage_columns()).set_index("name")

    def coverage_columns(self) -> Columns:
        """Return the columns of `coverage`, the names first, without pandas."""
        names = ("name", "kind", "shape", "dtype", "status", "block", "reason")
        return {name: [getattr(entry, name) for entry in self.entries] for name in names}

    def bind(self, parameters: Mapping[str, Parameter], labels: Mapping[str, Any]) -> Network:
        """Return the same network at another moment, reading other values of its parameters.

        Parameters
        ----------
        parameters : mapping of str to Parameter
            Tensors of the same names and shapes.
        labels : mapping
            What is known of that moment.

        Returns
        -------
        Network

        Raises
        ------
        ParameterError
            If a parameter is missing or has another shape.
        """
        blocks = tuple(block.bind(parameters) for block in self.blocks)
        return replace(self, blocks=blocks, parameters=dict(parameters), labels=dict(labels))


def check_edges(edges: str) -> None:
    """Raise if `edges` does not name the edges that are chosen."""
    if edges not in get_args(Edges):
        raise CntGraphError(f"expected edges to be 'parametric' or 'all', got {edges!r}")


@takes(Network)
def coarsen(net: Network, granularity: Granularity, *, aggregation: Aggregation = "sum") -> Network:
    """Return a network whose nodes are channels or layers, reading the same parameters.

    Layers keep their names, in their order; blocks keep theirs, one edge per pair of nodes that
    they connect. Its weights are recipes: nothing is read before a measure needs it, and every
    measure works on it.

    Parameters
    ----------
    net : Network
        One node per neuron.
    granularity : {"neuron", "channel", "layer"}
        ``"channel"``: one node per channel, that is a feature map of a convolution, a unit of a
        dense layer, a feature of a token. ``"layer"``: one node per layer. ``"neuron"``: as it is.
    aggregation : {"sum", "l1", "l2"}, default "sum"
        What the weight of an edge is of the weights w between two channels: Σw, Σ|w| or √Σw².

    Returns
    -------
    Network

    Raises
    ------
    CntGraphError
        If `granularity` or `aggregation` is none of these, or a block of a third party does not say
        what its weight between two channels is.

    Notes
    -----
    `cntgraph.network.coarsening.granularity` says which weight each kind of block gets.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> cg.coarsen(net, "channel")
    <Network: 4 layers, 3 blocks, 8 nodes, 10 edges, 77 parameters>
    >>> cg.build_graph(cg.coarsen(net, "layer", aggregation="l2")).adjacency.data.round(2)
    array([1.86, 2.83, 3.53])
    """
    layers, blocks = coarse_parts(net.layers, net.blocks, granularity, aggregation)
    if granularity == "neuron":
        return net
    return replace(net, layers=layers, blocks=blocks)


def _bias_of(block: Block) -> Array:
    assert block.bias is not None
    return block.bias.read()
