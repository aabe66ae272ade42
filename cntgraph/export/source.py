"""What a writer was given, as the graph that is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cntgraph.core.errors import CntGraphError, GraphSizeError
from cntgraph.export.limits import check_size, proposals
from cntgraph.graph.building import MAX_EDGES as UNROLLED
from cntgraph.graph.building import build_graph
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network

#: Options of `build_graph` that a writer hands on.
BUILDING = ("granularity", "aggregation", "layers", "edges", "threshold")


def graph_of(source: Network | Graph, max_edges: int, building: Mapping[str, Any]) -> Graph:
    """Return the explicit graph of what a writer was given, if it is not too large.

    Parameters
    ----------
    source : Network or Graph
    max_edges : int
    building : mapping
        Options of `build_graph`, for a network only.

    Returns
    -------
    Graph

    Raises
    ------
    GraphSizeError
        If it has more than `max_edges` edges; of a network, that is known before it is unrolled.
    CntGraphError
        If it is neither, or options are given that are none or for a network.
    """
    check_options(building)
    if isinstance(source, Graph):
        if building:
            raise CntGraphError(
                f"{', '.join(building)}: a Network is unrolled so; got a Graph, which is already: "
                "pass them to cg.build_graph"
            )
        graph = source
    elif isinstance(source, Network):
        # With a threshold, edges may be many before those below it are left out.
        limit = max_edges if building.get("threshold") is None else UNROLLED
        graph = unrolled(source, limit, building)
    else:
        raise CntGraphError(
            f"expected a Network or a Graph, got {type(source).__name__}; cg.load gives the one, "
            "cg.build_graph the other, and what makes a graph smaller has it as .graph"
        )
    check_size(graph, max_edges)
    return graph


def unrolled(net: Network, limit: int, building: Mapping[str, Any]) -> Graph:
    """Return the explicit graph of a network, having made sure that it is not too large.

    Parameters
    ----------
    net : Network
    limit : int
        Refuse to unroll more edges than this.
    building : mapping
        Options of `build_graph`.

    Returns
    -------
    Graph

    Raises
    ------
    GraphSizeError
    """
    try:
        return build_graph(net, **building, max_edges=limit)
    except GraphSizeError as error:
        raise GraphSizeError(f"{error}\n{proposals(net)}") from error


def check_options(building: Mapping[str, Any]) -> None:
    """Raise if an option is none of `build_graph`.

    Raises
    ------
    CntGraphError
        The message lists those that there are.
    """
    unknown = [name for name in building if name not in BUILDING]
    if unknown:
        raise CntGraphError(
            f"unknown options: {', '.join(unknown)}; those for a network are {', '.join(BUILDING)}"
        )
