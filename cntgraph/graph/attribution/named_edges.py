"""NamedEdges: nodes and edges by name, and how they become a `Graph`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.errors import FormatError
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of, index_dtype
from cntgraph.network.layer import Layer
from cntgraph.network.node_table import node_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NamedNode:
    """A node of a graph that another tool has drawn.

    Parameters
    ----------
    name : str
        Unique in the graph.
    layer : str
        Name of the layer that it belongs to.
    kind : str
        The layer's kind.
    depth : int
        Layers stand in the order of their depth, those of one depth as they first occur.
    attributes : dict of str to number, text or truth value
        Columns of `Graph.nodes`, beside ``node_id``.
    """

    name: str
    layer: str
    kind: str
    depth: int
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedEdge:
    """An edge between two named nodes, with the name of the kind of edge it is."""

    source: str
    target: str
    weight: float
    block: str


def graph_of(
    nodes: Sequence[NamedNode], edges: Sequence[NamedEdge], inputs: str, outputs: str
) -> Graph:
    """Return the graph of named nodes and edges.

    Parameters
    ----------
    nodes : sequence of NamedNode
        Within a layer they keep their order.
    edges : sequence of NamedEdge
        Several between the same two nodes stay several.
    inputs, outputs : str
        Kind of the layers that are inputs, and of those that are outputs.

    Returns
    -------
    Graph
        Every edge counts as learned: measures take all of them by default.

    Raises
    ------
    FormatError
        If two nodes have one name, or an edge has an end that is no node.
    """
    layers, ordered = _layers_of(nodes, inputs, outputs)
    ids = {node.name: k for k, node in enumerate(ordered)}
    if len(ids) < len(ordered):
        twice = next(node.name for k, node in enumerate(ordered) if ids[node.name] != k)
        raise FormatError(f"two nodes are called {twice!r}; expected a name of its own for each")
    ends = np.array(list(_ends(edges, ids)), dtype=np.int64).reshape(-1, 2)
    names = tuple(dict.fromkeys(edge.block for edge in edges))
    blocks = np.array([names.index(edge.block) for edge in edges], dtype=np.uint8)
    weights = np.array([edge.weight for edge in edges], dtype=np.float64)
    order = np.lexsort((blocks, ends[:, 1], ends[:, 0]))
    n = len(ordered)
    starts = np.concatenate([[0], np.cumsum(np.bincount(ends[:, 0], minlength=n))])
    columns = ends[order, 1].astype(index_dtype(max(n, len(edges))))
    return Graph(
        adjacency=csr_of(weights[order], columns, starts, (n, n)),
        edge_block=blocks[order],
        layers=layers,
        block_names=names,
        parametric=np.ones(len(names), dtype=bool),
        bias=np.zeros(n),
        parametric_bias=np.zeros(n),
        table=_table(layers, ordered),
    )


def _layers_of(
    nodes: Sequence[NamedNode], inputs: str, outputs: str
) -> tuple[tuple[Layer, ...], list[NamedNode]]:
    """Return the layers in the order of their depth, and the nodes in that of the layers."""
    members: dict[str, list[NamedNode]] = {}
    for node in nodes:
        members.setdefault(node.layer, []).append(node)
    groups = sorted(members.values(), key=lambda group: group[0].depth)
    layers, start = [], 0
    for group in groups:
        kind = group[0].kind
        layers.append(Layer(group[0].layer, (len(group),), kind, start=start,
                            is_input=kind == inputs, is_output=kind == outputs))  # fmt: skip
        start += len(group)
    return tuple(layers), [node for group in groups for node in group]


def _ends(edges: Sequence[NamedEdge], ids: dict[str, int]) -> Iterator[tuple[int, int]]:
    for edge in edges:
        for name in (edge.source, edge.target):
            if name not in ids:
                raise FormatError(
                    f"the edge {edge.source!r} → {edge.target!r} has an end {name!r} that is no "
                    "node of the file; it is damaged, or nodes were taken out of it by hand"
                )
        yield ids[edge.source], ids[edge.target]


def _table(layers: Sequence[Layer], nodes: Sequence[NamedNode]) -> pd.DataFrame:
    """Return the table of nodes: that of any graph, and what else is known of them."""
    table = node_table(layers, np.zeros(len(nodes)))
    table["node_id"] = [node.name for node in nodes]
    for name in dict.fromkeys(key for node in nodes for key in node.attributes):
        table[name] = [node.attributes.get(name) for node in nodes]
    return table


def weight_of(what: str, value: Any) -> float:
    """Return the weight of an edge.

    Raises
    ------
    FormatError
        If it is no number, or no finite one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e308:
        raise FormatError(f"{what}: expected a finite number as weight, got {value!r:.80}")
    return float(value)
