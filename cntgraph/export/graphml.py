"""write_graphml: a graph as networkx, igraph, Cytoscape, yEd and Gephi read it."""

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
from cntgraph.export.attributes import BLOCK, Attribute, node_values, renamed, typed
from cntgraph.export.edges import EdgeList, edge_list
from cntgraph.export.limits import MAX_EDGES
from cntgraph.export.markup import escape
from cntgraph.export.numbers import number_texts
from cntgraph.export.source import graph_of
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network


@takes(Network, Graph)
def write_graphml(
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
    """Write a graph as GraphML.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled first.
    path : path-like
        The file (``.graphml``, or ``.graphml.gz``).
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
    Nodes and edges have the same attributes as in `write_gexf`. How a node is drawn is in
    attributes that Gephi knows: ``x``, ``y``, ``z``, ``size``, ``r``, ``g``, ``b``. A value that
    is NaN is left out; networkx leaves out empty texts as well. The file is written piece by
    piece, in constant memory.

    References
    ----------
    .. [1] Brandes et al., "GraphML progress report", Graph Drawing 2001;
       http://graphml.graphdrawing.org

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_graphml(cg.toy("mlp"), f"{folder}/mlp.graphml")
    ...     path.read_text().count("<edge ")
    88
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    graph = graph_of(net_or_graph, max_edges, building)
    edges = edge_list(graph, parallel)
    values = node_values(graph, measures)
    looks = appearance(graph, values, size=size, color=color, positions=positions)
    drawn = [*_drawing(looks)]
    attributes = [*typed(renamed(values, [own.name for own in drawn])), *drawn]
    with new_text(target, overwrite=overwrite) as file:
        file.write(_HEAD)
        file.writelines(_keys(attributes, "node", "n"))
        file.writelines(_keys([_WEIGHT, BLOCK], "edge", "e"))
        file.write('<graph id="G" edgedefault="directed">\n')
        file.writelines(_node_pieces(attributes, graph.n_nodes))
        file.writelines(_edge_pieces(edges, show=show_progress))
        file.write("</graph>\n</graphml>\n")
    return target


_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns
 http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
"""
_WEIGHT = Attribute("weight", "double", np.empty(0))
#: Nodes of one piece.
PIECE = 20_000


def _drawing(looks: Appearance) -> Iterator[Attribute]:
    if looks.positions is not None:
        for name, column in zip("xyz", looks.positions.T, strict=True):
            yield Attribute(name, "double", np.round(column, 3) + 0.0)
    yield Attribute("size", "double", np.round(looks.sizes, 3))
    for name, column in zip("rgb", looks.colors.T, strict=True):
        yield Attribute(name, "integer", column)


def _keys(attributes: Sequence[Attribute], of: str, prefix: str) -> Iterator[str]:
    """Yield the declarations of attributes, called by their numbers: a name may be any text."""
    for k, attribute in enumerate(attributes):
        kind = {"integer": "int"}.get(attribute.kind, attribute.kind)
        name = escape(attribute.name)
        yield f'<key id="{prefix}{k}" for="{of}" attr.name="{name}" attr.type="{kind}"/>\n'


def _node_pieces(attributes: Sequence[Attribute], n_nodes: int) -> Iterator[str]:
    for start in range(0, n_nodes, PIECE):
        here = slice(start, min(start + PIECE, n_nodes))
        columns = [
            [f'<data key="n{k}">{text}</data>' if text else "" for text in attribute.texts(here)]
            for k, attribute in enumerate(attributes)
        ]
        values = map("".join, zip(*columns, strict=True))
        rows = zip(range(here.start, here.stop), values, strict=True)
        yield "".join(map('<node id="%d">%s</node>\n'.__mod__, rows))


def _edge_pieces(edges: EdgeList, *, show: bool) -> Iterator[str]:
    blocks = np.array([escape(name) for name in edges.block_names], dtype=object)
    for piece in edges.pieces("GraphML", show=show):
        rows = zip(piece.ids, piece.source.tolist(), piece.target.tolist(),
                   number_texts(piece.weight), blocks[piece.block].tolist(),
                   strict=True)  # fmt: skip
        yield "".join(map(_EDGE.__mod__, rows))


_EDGE = (
    '<edge id="%d" source="%d" target="%d">'
    '<data key="e0">%s</data><data key="e1">%s</data></edge>\n'
)
