"""write_gexf: a graph as Gephi and pages in a browser read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from cntgraph.core.new_file import check_free
from cntgraph.export.appearance import Positions, appearance
from cntgraph.export.attributes import BLOCK, node_values, typed
from cntgraph.export.dynamic_gexf import write_dynamic
from cntgraph.export.edges import EdgeList, edge_list
from cntgraph.export.gexf_parts import HEAD, TAIL, declared, edge_blocks, edge_ends, node_pieces
from cntgraph.export.limits import MAX_EDGES
from cntgraph.export.numbers import number_texts
from cntgraph.export.source import graph_of
from cntgraph.export.times import Time
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network


def write_gexf(
    source: Network | Graph | Sequence[Network | Graph],
    path: str | PathLike[str],
    *,
    measures: Measures | None = None,
    size: str | ArrayLike | None = None,
    color: str | ArrayLike = "layer",
    positions: Positions = "layers",
    parallel: Parallel = "keep",
    overwrite: bool = False,
    max_edges: int = MAX_EDGES,
    time: Time = "auto",
    drawn: int = -1,
    show_progress: bool = True,
    **building: Any,
) -> Path:
    """Write a graph, or a network over its training, as GEXF 1.3.

    Parameters
    ----------
    source : Network, Graph, Trajectory or sequence of Network or Graph
        A network is unrolled first. Snapshots of one network become a dynamic graph, whose
        weights and strengths change in Gephi's timeline; so do graphs with the same edges, such
        as those of `Trajectory.module_graphs`.
    path : path-like
        The file (``.gexf``, or ``.gexf.gz``).
    measures : mapping of str to array of shape (n_nodes,), optional
        Further attributes of nodes: numbers, truth values or texts. Of snapshots, an array of
        shape (n_snapshots, n_nodes) changes with time.
    size : str or array of shape (n_nodes,), optional
        What the area of a node stands for, without its sign: an attribute by its name
        (``"strength"``, one of `measures`, …) or values. By default all are of one size.
    color : str or array of shape (n_nodes,) or (n_nodes, 3), default "layer"
        ``"layer"``: from dark to light by depth. Else an attribute by its name, or values:
        blue below zero, light gray, vermilion above; or red, green and blue (0 to 255).
    positions : "layers", array of shape (n_nodes, 2) or (n_nodes, 3), or None
        Where nodes are drawn; ``"layers"`` is `node_positions`.
    parallel : {"keep", "sum"}, default "keep"
        Whether several edges between the same two nodes (a convolution and the skip around it)
        stay several, told apart by their ``kind``, or are added up.
    overwrite : bool, default False
        Whether a file of that name is replaced.
    max_edges : int, default 200,000
        Refuse to write more edges than this.
    time : {"auto", "step", "epoch", "index"} or str, default "auto"
        Of snapshots: the label that is the time; ``"index"`` counts them. ``"auto"``: the step,
        if it ascends, else the index.
    drawn : int, default -1
        Of snapshots: the one whose values `size`, `color` and the colors of edges show, which
        GEXF has no times for.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.
    **building
        Of a network or snapshots: ``granularity``, ``aggregation``, ``layers``, ``edges`` and
        ``threshold``, as in `build_graph`. With a threshold, an edge of snapshots stays that
        reaches it in any of them.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    GraphSizeError
        If there are more edges than `max_edges`; the message proposes what makes them fewer.
    NonFiniteWeightError
        If a weight is NaN or infinite: programs read these as 1, or not at all.
    CntGraphError
        If an option does not fit, or the file cannot be written.

    Notes
    -----
    Nodes are called by their numbers, in node order. They have a label, the columns of
    ``graph.nodes`` (a pixel's place as ``pixel_x``, ``pixel_y``, ``pixel_z``, since x and y are
    where a node is drawn), their strength and `measures`; a value that is NaN is left out. Edges
    have their weight, the block they belong to, and a color by the sign of the weight: vermilion
    above zero, blue below, gray at zero. Weights are written with as few digits as read back
    to the same bits. Control characters in names become U+FFFD.

    Snapshots give ``strength``, ``in_strength``, ``out_strength`` and ``bias`` of nodes (of
    graphs with a table of their own, its real numbers, too) and the weight of edges with a
    timestamp each. Between timestamps Gephi takes weights as 0: let the window of its timeline
    reach from one to the next, which ``time="index"`` makes easy. The file has ``n_snapshots``
    values per edge; 25 times `max_edges` of them are the most. networkx does not read
    timestamps; graphology takes the last value.

    The file is written piece by piece, in constant memory, and takes its name when it is
    complete. Versions of Gephi leave out edges whose weight is exactly 0, and say so.

    References
    ----------
    .. [1] GEXF 1.3, https://gexf.net/schema.html

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_gexf(cg.toy("cnn"), f"{folder}/cnn.gexf", size="strength")
    ...     path.read_text().count("<edge ")
    638
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    if isinstance(source, Sequence) and not isinstance(source, str):
        write_dynamic(
            source, target, measures=measures, size=size, color=color, positions=positions,
            parallel=parallel, overwrite=overwrite, max_edges=max_edges, time=time, drawn=drawn,
            show_progress=show_progress, building=building,
        )  # fmt: skip
        return target
    graph = graph_of(source, max_edges, building)
    edges = edge_list(graph, parallel)
    values = node_values(graph, measures)
    looks = appearance(graph, values, size=size, color=color, positions=positions)
    labels, *attributes = typed(values)
    with new_text(target, overwrite=overwrite) as file:
        file.write(HEAD + '<graph defaultedgetype="directed" idtype="integer" mode="static">\n')
        file.write(declared(attributes, "node") + declared([BLOCK], "edge"))
        file.writelines(node_pieces(labels, attributes, looks))
        file.writelines(_edge_pieces(edges, show=show_progress))
        file.write(TAIL)
    return target


_EDGE = '<edge id="%d" source="%d" target="%d" weight="%s"%s%s'


def _edge_pieces(edges: EdgeList, *, show: bool) -> Iterator[str]:
    yield f'<edges count="{edges.n_edges}">\n'
    blocks = edge_blocks(edges.block_names, kinds=edges.has_parallel)
    for piece in edges.pieces("GEXF", show=show):
        rows = zip(piece.ids, piece.source.tolist(), piece.target.tolist(),
                   number_texts(piece.weight), blocks[piece.block].tolist(),
                   edge_ends(piece.weight), strict=True)  # fmt: skip
        yield "".join(map(_EDGE.__mod__, rows))
    yield "</edges>\n"
