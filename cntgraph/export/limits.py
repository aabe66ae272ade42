"""How large a graph is written without being asked, and what to do with a larger one."""

from __future__ import annotations

import numpy as np

from cntgraph.core.errors import GraphSizeError
from cntgraph.graph.graph import Graph
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.network import Network

#: Edges beyond which Gephi and a browser are hard to work with.
MAX_EDGES = 200_000
#: Values a file of many snapshots may have, as a multiple of the edges.
MAX_SNAPSHOTS = 25


def check_size(graph: Graph, max_edges: int) -> None:
    """Raise if a graph has more edges than are to be written.

    Parameters
    ----------
    graph : Graph
    max_edges : int

    Raises
    ------
    GraphSizeError
        The message proposes how to reduce it, with the numbers of this graph.
    """
    if graph.n_edges <= max_edges:
        return
    sources = int(np.count_nonzero(np.diff(graph.adjacency.indptr)))
    each = max_edges // max(sources, 1)
    raise GraphSizeError(
        f"expected at most max_edges={max_edges:,} edges, which programs can draw; got "
        f"{graph.n_edges:,}. What makes them fewer:\n"
        f'* cg.keep_top_edges(graph, {max_edges}, within="graph").graph: the largest |w| of all\n'
        f'* cg.keep_top_edges(graph, {each}, within="source").graph: the largest out of each node\n'
        + _OF_ANY
    )


def check_values(n_edges: int, n_snapshots: int, most: int) -> None:
    """Raise if the snapshots of a graph are too many values in all.

    Parameters
    ----------
    n_edges, n_snapshots : int
    most : int

    Raises
    ------
    GraphSizeError
    """
    if n_edges * n_snapshots > most:
        step = -(-n_edges * n_snapshots // most)
        raise GraphSizeError(
            f"expected at most {most:,} weights over all snapshots; got {n_edges:,} edges at "
            f"{n_snapshots:,} snapshots. Write a part of the snapshots, such as "
            f"trajectory[::{step}]; or fewer edges, or pass a larger max_edges"
        )


def proposals(net: Network) -> str:
    """Return what makes the graph of a network smaller, a line each, with its numbers.

    Parameters
    ----------
    net : Network
        One node per neuron.

    Returns
    -------
    str
    """
    sizes = [(name, net.estimate(granularity=name).n_edges) for name in _COARSER]
    coarser = [f"* granularity={name!r}: {n:,} edges\n" for name, n in sizes if n < net.n_edges]
    return (
        "What makes them fewer:\n"
        + "".join(coarser)
        + "* layers=[…]: some layers and the edges among them\n"
        "* threshold=…: edges with |weight| of at least that\n"
        "* graph = cg.build_graph(net), then one of\n"
        "* cg.keep_top_edges(graph, k).graph: the k largest |w| of each node\n" + _OF_ANY
    )


_COARSER: tuple[Granularity, ...] = ("channel", "layer")


_OF_ANY = (
    '* cg.disparity_filter(graph, sign="absolute").graph: those that stand out at their nodes\n'
    "* or pass a larger max_edges"
)
