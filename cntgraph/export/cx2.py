"""write_cx2: a graph as Cytoscape, Cytoscape Web and NDEx read it."""

from __future__ import annotations

import json
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
    members,
    node_slices,
    objects,
    quoted,
)
from cntgraph.export.limits import MAX_EDGES
from cntgraph.export.markup import printable
from cntgraph.export.numbers import number_texts
from cntgraph.export.source import graph_of
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network


@takes(Network, Graph)
def write_cx2(
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
    """Write a graph as CX2, the Cytoscape Exchange format.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled first.
    path : path-like
        The file (``.cx2``, or ``.cx2.gz``).
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
    Ids of nodes and edges are their numbers. Nodes have the same attributes as in `write_gexf`,
    their label as ``name``, and ``size`` and ``color``, which the style in the file draws them
    by; an attribute whose name CX2 or the drawing has taken (also ``id``, ``represents``,
    ``alias``) is called ``node_size`` and so on. Edges have ``weight``, ``block``, and ``color``
    by the sign of the weight. In Cytoscape y points down: the picture is the same. A value that
    is NaN or infinite, which JSON does not know, is left out. The file is written piece by
    piece, in constant memory.

    References
    ----------
    .. [1] "Cytoscape Exchange Format Specification (Version 2)",
       https://cytoscape.org/cx/cx2/specification/cytoscape-exchange-format-specification-(version-2)

    Examples
    --------
    >>> import json, tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_cx2(cg.toy("mlp"), f"{folder}/mlp.cx2")
    ...     parts = json.loads(path.read_text())
    >>> [name for part in parts for name in part][:6]
    ['CXVersion', 'hasFragments', 'metaData', 'attributeDeclarations', 'nodes', 'edges']
    >>> parts[3]["nodes"][7]["v"]["name"]
    'fc1[1]'
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    graph = graph_of(net_or_graph, max_edges, building)
    edges = edge_list(graph, parallel)
    values = node_values(graph, measures)
    looks = appearance(graph, values, size=size, color=color, positions=positions)
    label = values.pop("label")
    drawn = {"size": np.round(looks.sizes, 3), "color": hex_colors(looks.colors)}
    attributes = [*typed({"name": label, **renamed(values, _RESERVED), **drawn})]
    with new_text(target, overwrite=overwrite) as file:
        file.write(_head(attributes, graph.n_nodes, edges.n_edges))
        file.write('{"nodes":[')
        file.writelines(listed(_node_pieces(attributes, _places(looks), graph.n_nodes)))
        file.write('\n]},\n{"edges":[')
        file.writelines(listed(_edge_pieces(edges, show=show_progress)))
        file.write(f'\n]}},\n{_STYLE},\n{{"status":[{{"error":"","success":true}}]}}]\n')
    return target


#: Names of attributes of nodes that CX2 has given a meaning, and those that the style reads.
_RESERVED = ("name", "represents", "alias", "id", "size", "color")
#: What edges have.
_EDGE_TYPES = {"weight": "double", "block": "string", "color": "string"}


def _through(attribute: str) -> dict[str, Any]:
    """Return the mapping that draws each by a value of its own."""
    return {"type": "PASSTHROUGH", "definition": {"attribute": attribute}}


_STYLE = ",\n".join(
    json.dumps({name: [own]})
    for name, own in {
        "visualProperties": {
            "default": {
                "network": {"NETWORK_BACKGROUND_COLOR": "#FFFFFF"},
                "node": {"NODE_SHAPE": "ellipse", "NODE_BORDER_WIDTH": 0,
                         "NODE_LABEL_FONT_SIZE": 4},
                "edge": {"EDGE_WIDTH": 1, "EDGE_TARGET_ARROW_SHAPE": "none"},
            },
            "nodeMapping": {
                "NODE_BACKGROUND_COLOR": _through("color"), "NODE_WIDTH": _through("size"),
                "NODE_HEIGHT": _through("size"), "NODE_LABEL": _through("name"),
            },
            "edgeMapping": {"EDGE_LINE_COLOR": _through("color")},
        },
        "visualEditorProperties": {"nodeSizeLocked": False, "arrowColorMatchesEdge": True},
    }.items()
)  # fmt: skip


def _head(attributes: Sequence[Attribute], n_nodes: int, n_edges: int) -> str:
    """Return what stands before the nodes: the version, how much there is, and the types."""
    counts = {"attributeDeclarations": 1, "nodes": n_nodes, "edges": n_edges,
              "visualProperties": 1, "visualEditorProperties": 1}  # fmt: skip
    meta = [{"name": name, "elementCount": n} for name, n in counts.items()]
    types = {
        "nodes": {printable(a.name): {"d": a.kind} for a in attributes},
        "edges": {name: {"d": kind} for name, kind in _EDGE_TYPES.items()},
    }
    parts = ({"CXVersion": "2.0", "hasFragments": False}, {"metaData": meta},
             {"attributeDeclarations": [types]})  # fmt: skip
    return "[" + "".join(f"{json.dumps(part)},\n" for part in parts)


def _places(looks: Appearance) -> list[Attribute]:
    if looks.positions is None:
        return []
    places = np.round(looks.positions, 3) * (1, -1, 1) + 0.0
    return [Attribute(name, "double", column)
            for name, column in zip("xyz", places.T, strict=True)]  # fmt: skip


def _node_pieces(
    attributes: Sequence[Attribute], places: Sequence[Attribute], n_nodes: int
) -> Iterator[list[str]]:
    for ids, here in node_slices(n_nodes):
        columns = [members(place, here) for place in places]
        own = (f'"v":{values}' for values in objects(attributes, here, len(ids)))
        numbers = (f'"id":{k}' for k in ids)
        yield ["{" + ",".join(row) + "}" for row in zip(numbers, *columns, own, strict=True)]


def _edge_pieces(edges: EdgeList, *, show: bool) -> Iterator[list[str]]:
    blocks = np.array([quoted(name) for name in edges.block_names], dtype=object)
    for piece in edges.pieces("CX2", show=show):
        rows = zip(piece.ids, piece.source.tolist(), piece.target.tolist(),
                   number_texts(piece.weight), blocks[piece.block].tolist(),
                   edge_colors(piece.weight), strict=True)  # fmt: skip
        yield list(map(_EDGE.__mod__, rows))


_EDGE = '{"id":%d,"s":%d,"t":%d,"v":{"weight":%s,"block":%s,"color":"%s"}}'
