"""write_csv: a table of nodes and one of edges, with the columns that Gephi looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.new_file import check_free
from cntgraph.export.attributes import node_values
from cntgraph.export.edges import EdgeList, edge_list
from cntgraph.export.limits import MAX_EDGES
from cntgraph.export.markup import printable
from cntgraph.export.numbers import number_texts
from cntgraph.export.source import graph_of
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network


class CsvTables(NamedTuple):
    """Where the two tables were written."""

    nodes: Path
    edges: Path


@takes(Network, Graph)
def write_csv(
    net_or_graph: Network | Graph,
    path: str | PathLike[str],
    *,
    measures: Measures | None = None,
    parallel: Parallel = "keep",
    overwrite: bool = False,
    max_edges: int = MAX_EDGES,
    show_progress: bool = True,
    **building: Any,
) -> CsvTables:
    """Write the tables of nodes and of edges as CSV.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled first.
    path : path-like
        A folder, made if it is not there, for ``nodes.csv`` and ``edges.csv``; or a name such as
        ``"lenet.csv"`` (or ``"lenet.csv.gz"``), which gives ``lenet_nodes.csv`` and
        ``lenet_edges.csv``.
    measures, parallel, overwrite, max_edges, show_progress, **building
        As in `write_gexf`.

    Returns
    -------
    CsvTables
        The paths of both, ``nodes`` and ``edges``.

    Raises
    ------
    GraphSizeError
        If there are more edges than `max_edges`; the message proposes what makes them fewer.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    CntGraphError
        If an option does not fit, or a file cannot be written.

    Notes
    -----
    Columns of nodes: ``Id``, ``Label``, then the attributes as in `write_gexf`; of edges:
    ``Source``, ``Target``, ``Type``, ``Id``, ``Weight``, ``block``. A value that is NaN is an
    empty cell. Numbers read back to the same bits, weights as the type they have (in pandas
    before 3, with ``float_precision="round_trip"``).

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tables = write_csv(cg.toy("mlp"), folder)
    ...     tables.edges.read_text().splitlines()[:2]
    ['Source,Target,Type,Id,Weight,block', '0,6,Directed,0,0.06286511,fc1']
    """
    tables = _paths(Path(path))
    for table in tables:
        check_free(table, overwrite=overwrite)
    graph = graph_of(net_or_graph, max_edges, building)
    edges = edge_list(graph, parallel)
    values = node_values(graph, measures)
    with new_text(tables.nodes, overwrite=overwrite) as nodes:
        nodes.writelines(_node_rows(values, graph.n_nodes))
        with new_text(tables.edges, overwrite=overwrite) as rows:
            rows.writelines(_edge_rows(edges, show=show_progress))
    return tables


def _paths(path: Path) -> CsvTables:
    end = next((end for end in (".csv", ".csv.gz") if path.name.endswith(end)), "")
    if end:
        stem = path.name.removesuffix(end)
        return CsvTables(*(path.with_name(f"{stem}_{what}{end}") for what in CsvTables._fields))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CntGraphError(f"the folder {path} cannot be made: {error}") from error
    return CsvTables(path / "nodes.csv", path / "edges.csv")


#: Nodes of one piece.
PIECE = 20_000


def _node_rows(values: Mapping[str, NDArray[Any]], n_nodes: int) -> Iterator[str]:
    yield ",".join(["Id", *map(_cell, ("Label", *list(values)[1:]))]) + "\n"
    for start in range(0, n_nodes, PIECE):
        here = slice(start, min(start + PIECE, n_nodes))
        columns = [_cells(column[here]) for column in values.values()]
        yield _joined([map(str, range(here.start, here.stop)), *columns])


def _edge_rows(edges: EdgeList, *, show: bool) -> Iterator[str]:
    yield "Source,Target,Type,Id,Weight,block\n"
    blocks = np.array([_cell(name) for name in edges.block_names], dtype=object)
    for piece in edges.pieces("CSV", show=show):
        rows = zip(piece.source.tolist(), piece.target.tolist(), piece.ids,
                   number_texts(piece.weight), blocks[piece.block].tolist(),
                   strict=True)  # fmt: skip
        yield "".join(map("%d,%d,Directed,%d,%s,%s\n".__mod__, rows))


def _joined(columns: Iterable[Iterable[str]]) -> str:
    return "".join(f"{row}\n" for row in map(",".join, zip(*columns, strict=True)))


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "O":
        return [_cell(value) for value in values.tolist()]
    return ["" if text == "NaN" else text for text in number_texts(values)]


def _cell(text: str) -> str:
    """Return a text as a cell: in quotes where a comma or an end of line would end it."""
    text = printable(text)
    if any(sign in text for sign in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text
