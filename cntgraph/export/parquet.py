"""write_parquet: nodes and edges as Parquet, chunk by chunk: the way out to engines of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.new_folder import new_folder
from cntgraph.core.progress import progress
from cntgraph.core.types import Array
from cntgraph.graph.conversions.nodes import Measures, given_measures, node_attributes
from cntgraph.graph.edge_chunks import CHUNK_EDGES, EdgeChunk, edge_chunks
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import node_bias, node_strength
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.coarsening.grouping import Aggregation
from cntgraph.network.network import Edges, Network, coarsen
from cntgraph.network.node_table import node_rows

if TYPE_CHECKING:
    import pandas as pd
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

#: Files that are open at once: systems allow a process some hundreds.
_OPEN = 64
#: The parts of what is written, by which it is known again.
_NODES, _EDGES = "nodes.parquet", "edges"


class ParquetTables(NamedTuple):
    """Where both tables were written: a file, and a folder with one for each block."""

    nodes: Path
    edges: Path


@takes(Network, Graph)
def write_parquet(
    net_or_graph: Network | Graph,
    folder: str | PathLike[str],
    *,
    granularity: Granularity = "neuron",
    aggregation: Aggregation = "sum",
    edges: Edges = "all",
    measures: Measures | None = None,
    chunk_edges: int = CHUNK_EDGES,
    overwrite: bool = False,
    show_progress: bool = True,
) -> ParquetTables:
    """Write the nodes and the edges of a graph of any size as Parquet tables.

    Memory holds one chunk of edges, and what is known per node; a network is never unrolled as a
    whole. DuckDB, Polars, Dask, pandas and Spark read the result.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled chunk by chunk.
    folder : path-like
        A new folder.
    granularity, aggregation
        What a node of a network is, and the weight of an edge (see `coarsen`).
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) are written.
    measures : mapping of str to array of shape (n_nodes,), optional
        Further columns of the nodes.
    chunk_edges : int, default 2 million
        Edges that are held at once, which become one row group.
    overwrite : bool, default False
        Whether what an earlier call wrote to that folder is replaced.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    ParquetTables
        The path of ``nodes.parquet``, and that of the folder ``edges``, which holds
        ``block=NAME/part-0.parquet`` for every block.

    Raises
    ------
    MissingExtraError
        Without pyarrow (``pip install 'cntgraph[parquet]'``).
    CntGraphError
        If the folder exists, an option does not fit, or nothing can be written there; what
        was there before stays.

    Notes
    -----
    Edges have ``source``, ``target`` (nodes, from 0), ``weight`` (in the stored precision, NaN
    and infinity as they are) and, from the names of the folders, ``block``. Nodes have ``node``,
    ``label``, the columns of `Graph.nodes`, ``strength`` (see `node_strength`), and the measures.

    Examples
    --------
    >>> import tempfile, pandas as pd, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tables = cg.write_parquet(cg.toy("cnn"), folder + "/cnn")
    ...     edges = pd.read_parquet(tables.edges)
    ...     nodes = pd.read_parquet(tables.nodes)
    >>> edges.groupby("block", observed=True)["weight"].count().to_dict()
    {'conv1': 512, 'fc': 54, 'pool': 72}
    >>> nodes[["node", "label", "layer"]].head(2)
       node           label  layer
    0     0  input[0, 0, 0]  input
    1     1  input[0, 0, 1]  input
    """
    require("pyarrow", "parquet", needed_for="Writing Parquet")
    source = _coarsened(net_or_graph, granularity, aggregation)
    made = new_folder(
        Path(folder), overwrite=overwrite, own={_NODES, _EDGES}.__contains__,
        what="tables of a graph",
    )  # fmt: skip
    with made as temporary:
        _write_nodes(source, _whole(measures, source.n_nodes), temporary / _NODES)
        chunks = edge_chunks(source, edges=edges, size=chunk_edges)
        _write_edges(chunks, _weight_type(source), temporary / _EDGES, show=show_progress)
    return ParquetTables(Path(folder, _NODES), Path(folder, _EDGES))


def _coarsened(
    source: Network | Graph, granularity: Granularity, aggregation: Aggregation
) -> Network | Graph:
    if isinstance(source, Network):
        return coarsen(source, granularity, aggregation=aggregation)
    if granularity != "neuron":
        raise CntGraphError(
            f"granularity={granularity!r}: a Network is coarsened so; got a Graph, which is "
            "unrolled already: pass it to cg.build_graph"
        )
    return source


# -- nodes ----------------------------------------------------------------------------------------


def _whole(measures: Measures | None, n_nodes: int) -> dict[str, Array]:
    """Return measures as arrays, each of which has to be a value per node."""
    found = {name: np.asarray(values) for name, values in given_measures(measures).items()}
    for name, values in found.items():
        if values.shape != (n_nodes,):
            raise CntGraphError(
                f"measure {name!r}: expected one value per node, shape ({n_nodes},); got "
                f"{values.shape}"
            )
    return found


def _write_nodes(source: Network | Graph, measures: dict[str, Array], path: Path) -> None:
    """Write the table of the nodes, one layer after the other."""
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    values = {"strength": node_strength(source), **measures}
    bias = node_bias(source, "all")
    with ExitStack() as stack:
        writer = None
        for depth, layer in enumerate(source.layers):
            rows = _rows(source, bias, depth)
            own = {name: column[layer.slice] for name, column in values.items()}
            columns: dict[str, Any] = {"node": np.arange(layer.start, layer.start + len(rows))}
            table = Table.from_pydict(columns | node_attributes(source.layers, rows, own))
            writer = writer or stack.enter_context(ParquetWriter(path, table.schema))
            writer.write_table(table)


def _rows(source: Network | Graph, bias: Array, depth: int) -> pd.DataFrame:
    """Return the rows of the node table that belong to a layer."""
    layer = source.layers[depth]
    if isinstance(source, Graph):
        return source.nodes.iloc[layer.slice]
    nodes = np.arange(layer.start, layer.slice.stop)
    return node_rows(source.layers, nodes).assign(bias=bias[layer.slice])


# -- edges ----------------------------------------------------------------------------------------


def _weight_type(source: Network | Graph) -> np.dtype[Any]:
    """Return one type for the weights of all blocks."""
    if isinstance(source, Graph):
        found: np.dtype[Any] = source.adjacency.dtype
    else:
        found = np.result_type(np.float32, *(block.dtype for block in source.blocks))
    return found


def _write_edges(
    chunks: Iterator[EdgeChunk], dtype: np.dtype[Any], folder: Path, *, show: bool
) -> None:
    """Write every chunk to a file of its block."""
    from pyarrow import Table

    folder.mkdir()
    with _Parts(folder) as parts:
        for chunk in progress(chunks, "Parquet", show=show):
            columns = {"source": chunk.source, "target": chunk.target,
                       "weight": chunk.weight.astype(dtype, copy=False)}  # fmt: skip
            parts.write(chunk.block, Table.from_pydict(columns))


class _Parts:
    """The files that are being written, one per block, few of them open at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: dict[str, Any] = {}
        self.n_parts: Counter[str] = Counter()

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        while self.open:
            self._close_oldest()

    def write(self, block: str, table: Table) -> None:
        """Add rows to the file of a block; to another one, if it had to be closed."""
        if block not in self.open:
            if len(self.open) == _OPEN:
                self._close_oldest()
            self.open[block] = self._new(block, table)
        self.open[block].write_table(table)

    def _new(self, block: str, table: Table) -> ParquetWriter:
        from pyarrow.parquet import ParquetWriter

        folder = self.folder / f"block={quote(block, safe='')}"
        folder.mkdir(exist_ok=True)
        self.n_parts[block] += 1
        return ParquetWriter(folder / f"part-{self.n_parts[block] - 1}.parquet", table.schema)

    def _close_oldest(self) -> None:
        self.open.pop(next(iter(self.open))).close()
