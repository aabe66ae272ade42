"""FileGraph: an explicit graph whose edges stay in a file; open_graph: the one of a file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of
from cntgraph.store.graph_file import GraphFile
from cntgraph.store.mapped_file import MappedFile

#: What lies in the file.
_THERE = frozenset({"adjacency", "edge_block"})


@dataclass(frozen=True, eq=False, repr=False)
class FileGraph(Graph):
    """A graph whose edges are read where they lie in a file, which must stay as it is.

    Parameters
    ----------
    file : MappedFile
        Looked at whenever the edges are asked for.
    """

    file: MappedFile = field(kw_only=True)

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute; of the edges, when the file is known to be as it was."""
        if name in _THERE:
            object.__getattribute__(self, "file").check()
        return object.__getattribute__(self, name)

    def keep_edges(self, kept: NDArray[np.bool_]) -> Graph:
        """Return the graph of the same nodes and some of the edges, in memory."""
        found = super().keep_edges(kept)
        return Graph(**{own.name: getattr(found, own.name) for own in fields(Graph)})


def open_graph(path: str | PathLike[str]) -> Graph:
    """Open the explicit graph that ``build_graph(net, out=path)`` has written.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Graph
        Its edges stay in the file, and are read by the system when they are looked at: every
        measure of a graph works on it, and those that look at a part at a time (strengths,
        degrees, products, PageRank, HITS) need no memory for all of them. They cannot be
        written to.

    Raises
    ------
    FormatError
        If it is not a graph's file.
    StoreError
        If it is damaged or newer; and, when the graph is used, if the file was changed meanwhile.

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = cg.build_graph(cg.toy("mlp"), out=f"{folder}/graph.h5")
    ...     cg.open_graph(f"{folder}/graph.h5")
    <Graph: 4 layers, 20 nodes, 88 edges>
    """
    file = GraphFile(Path(path))
    nodes, n = file.nodes, len(file.indptr) - 1
    return FileGraph(
        csr_of(file.data, file.indices, file.indptr, (n, n)), file.edge_block, nodes.layers,
        nodes.block_names, nodes.parametric, nodes.bias, nodes.parametric_bias,
        labels=nodes.labels, file=file.mapped,
    )  # fmt: skip
