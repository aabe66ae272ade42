"""Some of the layers, and the edges among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.names import matching
from cntgraph.graph.graph import Graph
from cntgraph.graph.reduction.nodes import keep_nodes
from cntgraph.graph.reduction.reduced import Reduced


@takes(Graph)
def keep_layers(graph: Graph, names: Sequence[str]) -> Reduced:
    """Keep some of the layers, and the edges among them.

    Parameters
    ----------
    graph : Graph
    names : sequence of str
        Which layers, in any order: names, or patterns as in `Network.keep_layers`. They stay in
        the order of the graph.

    Returns
    -------
    Reduced
        Nodes are counted anew; ``reduced.node_ids`` says which they were. Its graph has the nodes
        and edges that ``build_graph(net, layers=names)`` unrolls without the others; biases stay
        with their nodes, also where the edges that they come with do not.

    Raises
    ------
    CntGraphError
        If a name or pattern stands for no layer; the message lists the names.

    Examples
    --------
    >>> import cntgraph as cg
    >>> keep_layers(cg.build_graph(cg.toy("cnn")), ["input", "conv1"])
    <Reduced: 108 of 129 nodes, 512 of 638 edges (80.3 %), 64.8 % of Σ|w|>
    """
    chosen = matching(names, [layer.name for layer in graph.layers], "layer")
    kept = np.zeros(graph.n_nodes, dtype=bool)
    for name in chosen:
        kept[graph.layer_slice(name)] = True
    found = keep_nodes(graph, kept)
    layers = tuple(
        replace(layer, start=now.start)
        for layer, now in zip(graph.layers, found.graph.layers, strict=True)
        if layer.name in chosen
    )
    nodes = found.graph.nodes
    order = [layer.name for layer in layers]
    table = nodes.assign(layer=nodes["layer"].cat.set_categories(order))
    table["layer_index"] = table["layer"].cat.codes.astype(nodes["layer_index"].dtype)
    return replace(found, graph=replace(found.graph, layers=layers, table=table))
