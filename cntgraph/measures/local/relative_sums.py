"""relative_sums: for measures that a factor of all weights does not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network
from cntgraph.network.node_sums import NodeSums

#: Sums of powers between these have lost nothing to the limits of a float.
_SMALLEST, _LARGEST = 1e-200, 1e300


def relative_sums(
    net_or_graph: Network | Graph, *transforms: Transform, edges: Edges
) -> dict[Transform, NodeSums]:
    """Return the sums over every node's edges, of weights in a unit that no power outgrows.

    Parameters
    ----------
    net_or_graph : Network or Graph
    *transforms : {"absolute", "square", "fourth"}
    edges : {"all", "parametric"}

    Returns
    -------
    dict of str to NodeSums
        As ``node_sums``; where weights are so small or so large that the sums of their powers
        are not, all weights are divided by a power of two first.

    Examples
    --------
    >>> import cntgraph as cg
    >>> small = cg.load([np.full((2, 3), 1e-160)])
    >>> small.node_sums("fourth")["fourth"].incoming[2:]
    array([0., 0., 0.])
    >>> bool((relative_sums(small, "fourth", edges="all")["fourth"].incoming[2:] > 0.01).all())
    True
    """
    with np.errstate(over="ignore"):
        sums = net_or_graph.node_sums(*transforms, edges=edges)
        largest = [float(found.incoming.max(initial=0.0)) for found in sums.values()]
        if all(_SMALLEST < size < _LARGEST for size in largest):
            return sums
        size = net_or_graph.node_sums("absolute", edges=edges)["absolute"].incoming.max(initial=0.0)
    if not 0 < size < np.inf:
        return sums
    unit = np.ldexp(1.0, -int(np.frexp(size)[1]))
    return _scaled(net_or_graph, float(unit), edges).node_sums(*transforms, edges=edges)


def _scaled(net_or_graph: Network | Graph, factor: float, edges: Edges) -> Network | Graph:
    """Return the same edges with weights times a factor; as they are, if some are no numbers."""
    if isinstance(net_or_graph, Graph):
        return net_or_graph.with_weights(net_or_graph.adjacency.data * factor)
    blocks = net_or_graph.select_blocks(edges)
    if any(block.weight is None for block in blocks):  # of size one each
        return net_or_graph
    scaled = tuple(replace(block, weight=block.weight * factor) for block in blocks if block.weight)
    return replace(net_or_graph, blocks=scaled)
