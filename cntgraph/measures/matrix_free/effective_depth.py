"""Effective depth and width: how many learned operations a path through a network has."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Literal, NamedTuple, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.view import parts_of
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.path_depth import path_depth
from cntgraph.network.network import Network


class EffectiveDepth(NamedTuple):
    """The mean number of learned operations on a path, and how many such paths lie side by side.

    ``n_paths`` are all paths from input to output.
    """

    depth: float
    width: float
    n_paths: float


#: An edge between two layers, and whether it is learned.
Link = tuple[int, int, bool]


Per = Literal["layer", "node"]


@takes(Network, Graph)
def effective_depth(net_or_graph: Network | Graph, *, per: Per = "layer") -> EffectiveDepth:
    """Return the effective depth and width of an architecture.

    How deep a network is when its skips count: the mean number of learned operations on a path, n
    for a chain of n, less for residual networks. Width is large where many learned paths lie side
    by side.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Only which blocks join which layers, or nodes, matters; no weight is read.
    per : {"layer", "node"}, default "layer"
        Whether paths lead from layer to layer, as in the paper, or from node to node, where an
        operation counts with the number of paths that its edges make.

    Returns
    -------
    EffectiveDepth
        ``depth``, ``width`` and ``n_paths``: an int by layers, a float (infinite if it is too
        large for one) by nodes. Both of the first are 0.0 if no path has a learned operation.

    Raises
    ------
    UndefinedMeasureError
        If there are loops, or a layer that feeds itself though its nodes do not (an unrolled
        recurrent one, which has a depth by nodes); if input or output is not known, or no path
        joins them.

    Notes
    -----
    A node here is a layer, one edge per block from one of its layers to another; it counts 1 if
    its weights are learned, 0 if not (pooling, identity). With dᵢ the sum along the i-th of p
    paths,

        depth = Σᵢ dᵢ / p,    width = Σᵢ 1[dᵢ > 0] / depth

    Numbers of paths and of operations on them are added up along the layers in order, as whole
    numbers without rounding: O(blocks); by nodes with three products with every block.
    An operation that reads several layers (after a concatenation) is an edge from each.

    References
    ----------
    .. [1] Chen, Huang, Gong, Hanin, Wang, "Deep architecture connectivity matters for its
       convergence: a fine-grained analysis", NeurIPS 2022, arXiv:2205.05662.

    Examples
    --------
    Of the two paths through the residual network, one has two learned operations, one has one.

    >>> import cntgraph as cg
    >>> effective_depth(cg.toy("residual"))
    EffectiveDepth(depth=1.5, width=1.3333333333333333, n_paths=2)

    Between nodes, five edges of the second dense layer lead where one of the skip does.

    >>> round(effective_depth(cg.toy("residual"), per="node").depth, 3)
    1.833
    """
    if per not in get_args(Per):
        raise CntGraphError(f"expected per to be 'layer' or 'node', got {per!r}")
    if per == "node":
        depth, learned, n_paths = path_depth(net_or_graph, "the effective depth")
        if not n_paths:
            raise UndefinedMeasureError(_NO_PATH)
        return EffectiveDepth(depth, learned / depth if depth else 0.0, n_paths)
    starts = np.array([layer.start for layer in net_or_graph.layers], dtype=np.int64)
    if isinstance(net_or_graph, Graph):
        links = _links_of_graph(net_or_graph, starts)
    else:
        links = _links_of_network(net_or_graph, starts)
    order = _order(links)
    inputs, outputs = _ends(net_or_graph)
    paths, depths = _sums(links, order, inputs)
    n_paths, total = (sum(found.get(k, 0) for k in outputs) for found in (paths, depths))
    if not n_paths:
        raise UndefinedMeasureError(_NO_PATH)
    structural, _ = _sums([link for link in links if not link[2]], order, inputs)
    learned = n_paths - sum(structural.get(k, 0) for k in outputs)
    return EffectiveDepth(total / n_paths, learned * n_paths / total if total else 0.0, n_paths)


_NO_PATH = (
    "the effective depth is a mean over paths, and no path leads from input to output; "
    "net.coverage says what was left out"
)


def _links_of_network(net: Network, starts: np.ndarray) -> list[Link]:
    """Return which block joins which layers."""
    found = []
    for block in net.blocks:
        sources, targets = (parts_of(v.as_ids(), starts) for v in (block.source, block.target))
        found += [(s, t, block.parametric) for s in sources for t in targets]
    return found


def _links_of_graph(graph: Graph, starts: np.ndarray) -> list[Link]:
    """Return which block joins which layers: each triple that occurs."""
    n, blocks = len(starts), len(graph.block_names)
    source = np.repeat(np.arange(graph.n_nodes), np.diff(graph.adjacency.indptr))
    source, target = (
        np.searchsorted(starts, nodes, side="right") - 1
        for nodes in (source, graph.adjacency.indices)
    )
    found = np.unique((graph.edge_block.astype(np.int64) * n + source) * n + target)
    block, source, target = np.unravel_index(found, (max(blocks, 1), n, n))
    learned = graph.parametric[block].tolist() if blocks else []
    return list(zip(source.tolist(), target.tolist(), learned, strict=True))


def _ends(net_or_graph: Network | Graph) -> tuple[set[int], set[int]]:
    layers = list(enumerate(net_or_graph.layers))
    inputs = {k for k, layer in layers if layer.is_input}
    outputs = {k for k, layer in layers if layer.is_output}
    if not (inputs and outputs):
        raise UndefinedMeasureError(
            "the effective depth is about paths from input to output, and which layers these are "
            "is not known here: a file of weights alone does not say. Load the model itself"
        )
    return inputs, outputs


def _order(links: list[Link]) -> list[int]:
    """Return a topological order of the layers."""
    sorter = TopologicalSorter[int]()
    for source, target, _ in links:
        sorter.add(target, source)
    try:
        return list(sorter.static_order())
    except CycleError:
        raise UndefinedMeasureError(
            "the effective depth is a mean over paths from layer to layer, and a recurrent layer "
            "feeds itself; load it with unroll=T time steps and take per='node'"
        ) from None


def _sums(
    links: list[Link], order: list[int], inputs: set[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the number of paths to each layer, and of the learned operations on all of them."""
    leaving: dict[int, list[Link]] = {}
    for link in links:
        leaving.setdefault(link[0], []).append(link)
    paths, depths = dict.fromkeys(inputs, 1), dict.fromkeys(inputs, 0)
    for layer in order:
        n, total = paths.get(layer, 0), depths.get(layer, 0)
        for _, target, learned in leaving.get(layer, []):
            paths[target] = paths.get(target, 0) + n
            depths[target] = depths.get(target, 0) + total + n * learned
    return paths, depths
