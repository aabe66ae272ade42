"""Deep graph persistence: how long inputs and outputs stay apart, along paths of strong edges."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.graph.ends import ends_of
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.spanning_tree import check_norm, tree_of_block
from cntgraph.network.blocks.dense import Dense
from cntgraph.network.network import Edges, Network

Scale = Literal["network", "paths"]

_NOUN = "deep graph persistence"


@takes(Network, Graph)
def deep_graph_persistence(
    net_or_graph: Network | Graph,
    *,
    p: float = 2.0,
    normalized: bool = True,
    standardized: bool = True,
    scale: Scale = "network",
    essential: bool = False,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> float:
    """Return the persistence of the whole network, from its input to its output.

    Neural persistence of a layer follows the deviation of its weights closely, and a mean over
    layers knows of no paths; this one takes weights by the deviation of their block, and all
    blocks together.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled.
    p, normalized, essential
        As in `neural_persistence`.
    standardized : bool, default True
        Whether weights are taken less the mean of their block's edges and over their deviation.
    scale : {"network", "paths"}, default "network"
        What is 1: the largest weight of the network, or the width of the widest path.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count; without them they cut paths.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    float
        From 0 to 1, if normalized.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    UndefinedMeasureError
        If there are loops, or input and output are not known.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    GraphSizeError
        If the network has more edges, or the widths of its paths do not fit into memory.

    Notes
    -----
    A path is as wide as its narrowest edge. From an input i to an output j leads a widest one, of
    width S_ij; it is there as soon as a filtration from strong edges to weak ones has reached
    S_ij, and zero where there is none. What is returned is the neural persistence of S as one
    layer, of all input and output nodes.

    Weights are |w - μ| / σ, with mean and deviation over the edges of the block, over the largest
    of all blocks. What is structural, and a block whose weights do not differ, is as wide as the
    widest: it is never the narrowest edge. Widths are found for the ends of which there are fewer:
    n of them take O(n · n_edges), and n values a node.

    References
    ----------
    .. [1] Girrbach, Christensen, Winther, Akata, Koepke, "Addressing caveats of neural persistence
       with deep graph persistence", TMLR 2023, arXiv:2307.10865.

    Examples
    --------
    >>> import cntgraph as cg
    >>> round(cg.deep_graph_persistence(cg.toy("mlp")), 3)
    0.557
    """
    check_norm(p)
    if scale not in get_args(Scale):
        raise CntGraphError(f"expected scale to be 'network' or 'paths'; got {scale!r}")
    ends_of(net_or_graph, _NOUN)
    check_weights(net_or_graph, edges=edges, noun=_NOUN)
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    widths = _widths(graph, _sizes(graph, standardized=standardized))
    n_inputs, n_outputs = widths.shape
    source, target = View((n_inputs,)), View((n_outputs,), n_inputs)
    block = Dense(name=_NOUN, source=source, target=target, weight=Recipe.constant(widths.T))
    top = 1.0 if scale == "network" else float(widths.max(initial=0.0))
    tree = tree_of_block(block, max_edges=max_edges)
    return tree.persistence(top, p, normalized=normalized, essential=essential)


def _sizes(graph: Graph, *, standardized: bool) -> Values:
    """Return how wide each edge is, the widest of the network being 1."""
    weights, block = graph.adjacency.data.astype(np.float64), graph.edge_block
    n = len(graph.block_names)
    mean, deviation = np.zeros(n), np.ones(n)
    if standardized:
        counts = np.maximum(np.bincount(block, minlength=n), 1)
        mean = np.bincount(block, weights, minlength=n) / counts
        square = np.bincount(block, (weights - mean[block]) ** 2, minlength=n) / counts
        deviation = np.sqrt(square)
    varies = graph.parametric & (deviation > 1e-12 * np.abs(mean))
    sizes = np.abs(weights - mean[block]) / np.where(varies, deviation, 1.0)[block]
    learned = varies[block]
    largest = sizes.max(initial=0.0, where=learned)
    return np.where(learned, sizes / largest if largest > 0 else sizes, 1.0)


def _widths(graph: Graph, sizes: Values) -> Values:
    """Return the width of the widest path from each input node to each output node."""
    from scipy.sparse import csr_array

    from cntgraph.core.kernels.widest_paths import widen_rows

    inputs, outputs = ends_of(graph, _NOUN)
    adjacency = graph.adjacency
    if (np.repeat(np.arange(graph.n_nodes), np.diff(adjacency.indptr)) >= adjacency.indices).any():
        raise UndefinedMeasureError(
            f"{_NOUN} is about paths from input to output, in the order of nodes, and there are "
            "edges back: load the network with unroll=T time steps"
        )
    few = min(inputs.size, outputs.size)
    few = min(inputs.size, outputs.size)
    check_memory(8 * few * graph.n_nodes + 16 * graph.n_edges, f"paths of {few:,} ends")
    matrix = csr_array((sizes, adjacency.indices, adjacency.indptr), shape=adjacency.shape)
    ends, order = (outputs, inputs), np.arange(graph.n_nodes)[::-1].copy()
    if inputs.size < outputs.size:
        ends, order, matrix = (inputs, outputs), np.arange(graph.n_nodes), matrix.T.tocsr()
    widths = np.zeros((graph.n_nodes, few))
    widths[ends[0], np.arange(few)] = 1.0
    widen_rows(matrix.indptr, matrix.indices, matrix.data, order, widths)
    found = widths[ends[1]]
    return found.T if inputs.size < outputs.size else found


def operations(n_nodes: int, n_edges: int) -> float:
    """Return how many elementary operations it takes, of the usual dozen of outputs.

    Examples
    --------
    >>> operations(1000, 20_000)
    252000.0
    """
    return float(12 * (n_nodes + n_edges))
