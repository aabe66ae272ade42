"""write_graphology: a graph as pages read it that are made with graphology and sigma.js."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.new_file import check_free
from cntgraph.export.appearance import Appearance, Positions, appearance
from cntgraph.export.attributes import Attribute, node_values, renamed, typed
from cntgraph.export.edges import EdgeList, edge_list
from cntgraph.export.json_parts import (
    edge_colors,
    hex_colors,
    listed,
    node_slices,
    objects,
    quoted,
)
from cntgraph.export.limits import MAX_EDGES
from cntgraph.export.numbers import number_texts
from cntgraph.export.source import graph_of
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network
from cntgraph.version import __version__


@takes(Network, Graph)
def write_graphology(
    net_or_graph: Network | Graph,
    path: str | PathLike[str],
    *,
    measures: Measures | None = None,
    size: str | ArrayLike | None = None,
    color: str | ArrayLike = "layer",
    positions: Positions = "layers",
    parallel: Parallel = "keep",
    overwrite: bool = False,
    max_edges: int = MAX_EDGES,
    show_progress: bool = True,
    **building: Any,
) -> Path:
    """Write a graph as the JSON that graphology's ``Graph.from`` and ``import`` read.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled first.
    path : path-like
        The file (``.json``, or ``.json.gz``).
    measures, size, color, positions, parallel, overwrite, max_edges, show_progress, **building
        As in `write_gexf`.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    GraphSizeError
        If there are more edges than `max_edges`; the message proposes what makes them fewer.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    CntGraphError
        If an option does not fit, or the file cannot be written.

    Notes
    -----
    Keys of nodes and edges are their numbers. Nodes have the same attributes as in `write_gexf`,
    and what sigma.js draws them by: ``x``, ``y``, ``z``, ``size``, ``color``; an attribute of
    one of these names is called ``node_size`` and so on. Edges have ``weight``, ``block``, and
    ``color`` by the sign of the weight. A value that is NaN or infinite, which JSON does not
    know, is left out. The graph is directed, and a multigraph if it has parallel edges. The
    file is written piece by piece, in constant memory.

    References
    ----------
    .. [1] graphology, "Serialization", https://graphology.github.io/serialization.html

    Examples
    --------
    >>> import json, tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_graphology(cg.toy("mlp"), f"{folder}/mlp.json")
    ...     found = json.loads(path.read_text())
    >>> found["options"]["type"], len(found["edges"]), found["nodes"][7]["attributes"]["label"]
    ('directed', 88, 'fc1[1]')
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    graph = graph_of(net_or_graph, max_edges, building)
    edges = edge_list(graph, parallel)
    values = node_values(graph, measures)
    looks = appearance(graph, values, size=size, color=color, positions=positions)
    attributes = [*typed(renamed(values, _DRAWING)), *_drawing(looks)]
    with new_text(target, overwrite=overwrite) as file:
        file.write(_HEAD % ("true" if edges.has_parallel else "false"))
        file.writelines(listed(_node_pieces(attributes, graph.n_nodes)))
        file.write('\n],"edges":[')
        file.writelines(listed(_edge_pieces(edges, show=show_progress)))
        file.write("\n]}\n")
    return target


#: Attributes of nodes that sigma.js draws them by.
_DRAWING = ("x", "y", "z", "size", "color")
_HEAD = (
    f'{{"attributes":{{"creator":"cntgraph {__version__}"}},"options":{{"type":"directed",'
    '"multi":%s,"allowSelfLoops":true},"nodes":['
)


def _drawing(looks: Appearance) -> Iterator[Attribute]:
    if looks.positions is not None:
        for name, column in zip("xyz", looks.positions.T, strict=True):
            yield Attribute(name, "double", np.round(column, 3) + 0.0)
    yield Attribute("size", "double", np.round(looks.sizes, 3))
    yield Attribute("color", "string", hex_colors(looks.colors))


def _node_pieces(attributes: Sequence[Attribute], n_nodes: int) -> Iterator[list[str]]:
    for ids, here in node_slices(n_nodes):
        rows = zip(ids, objects(attributes, here, len(ids)), strict=True)
        yield list(map('{"key":"%d","attributes":%s}'.__mod__, rows))


def _edge_pieces(edges: EdgeList, *, show: bool) -> Iterator[list[str]]:
    blocks = np.array([quoted(name) for name in edges.block_names], dtype=object)
    for piece in edges.pieces("Graphology", show=show):
        rows = zip(piece.ids, piece.source.tolist(), piece.target.tolist(),
                   number_texts(piece.weight), blocks[piece.block].tolist(),
                   edge_colors(piece.weight), strict=True)  # fmt: skip
        yield list(map(_EDGE.__mod__, rows))


_EDGE = (
    '{"key":"%d","source":"%d","target":"%d","attributes":{"weight":%s,"block":%s,"color":"%s"}}'
)
