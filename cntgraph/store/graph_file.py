"""GraphFile: an explicit graph in HDF5, whose arrays are read where they lie (FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.bounded_hdf5 import filters
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.csr import index_dtype
from cntgraph.network.layer import Layer
from cntgraph.store.checked_file import CheckedFile, attribute
from cntgraph.store.description import describe_layer, rebuild_layers
from cntgraph.store.disk import Paths
from cntgraph.store.labels import check_labels
from cntgraph.store.mapped_file import MappedFile
from cntgraph.store.schema import check_graph
from cntgraph.store.writer import FORMAT, GRAPH_FORMAT, fixed_text, new_hdf5
from cntgraph.version import __version__

if TYPE_CHECKING:
    import h5py

#: The newest version of such files.
_VERSION = 1
#: Rows that are looked at together when a file is opened.
_ROWS = 1 << 14


@dataclass(frozen=True)
class GraphNodes:
    """What a file has of a graph besides its edges.

    Parameters
    ----------
    layers : tuple of Layer
    block_names : tuple of str
    parametric : ndarray of bool, shape (n_blocks,)
    bias, parametric_bias : ndarray of float64, shape (n_nodes,)
    labels : mapping
    """

    layers: tuple[Layer, ...]
    block_names: tuple[str, ...]
    parametric: NDArray[np.bool_]
    bias: Values
    parametric_bias: Values
    labels: Mapping[str, Any]

    def described(self) -> dict[str, Any]:
        """Return what is not an array as JSON values, after checking that they can be read."""
        blocks = zip(self.block_names, self.parametric.tolist(), strict=True)
        found = {
            "layers": [describe_layer(layer) for layer in self.layers],
            "blocks": [{"name": name, "parametric": learned} for name, learned in blocks],
            "labels": check_labels(self.labels),
        }
        check_graph(found)
        return found


class EdgeTypes(NamedTuple):
    """The types of weights, of indices and of numbers of blocks."""

    data: np.dtype[Any]
    indices: np.dtype[Any]
    edge_block: np.dtype[Any]


# -- writing --------------------------------------------------------------------------------------


class EdgeWriter:
    """Writes the edges of a graph one after the other.

    Parameters
    ----------
    file : h5py.File
    """

    def __init__(self, file: h5py.File) -> None:
        self._file, self._end = file, 0

    def add(self, data: Array, indices: Array, edge_block: NDArray[Any]) -> None:
        """Write weight, target and block of the next edges."""
        here = slice(self._end, self._end + len(data))
        for name, values in (("data", data), ("indices", indices), ("edge_block", edge_block)):
            self._file[name][here] = values
        self._end = here.stop


@contextmanager
def new_graph_file(
    path: Path, nodes: GraphNodes, indptr: NDArray[np.int64], types: EdgeTypes
) -> Iterator[EdgeWriter]:
    """Write a graph to a new file; its edges are handed over in order.

    Parameters
    ----------
    path : Path
        Gets its name when all is written.
    nodes : GraphNodes
    indptr : ndarray of int64, shape (n_nodes + 1,)
        Where the edges of each node begin.
    types : EdgeTypes

    Yields
    ------
    EdgeWriter

    Raises
    ------
    StoreError
        If there is such a file, or it cannot be written.
    """
    description, n_edges = nodes.described(), int(indptr[-1])
    with new_hdf5(path, overwrite=False, alignment=8) as file:
        file.attrs["format"] = fixed_text(GRAPH_FORMAT)
        file.attrs["writer"] = fixed_text(f"cntgraph {__version__}")
        file.attrs["format_version"] = _VERSION
        file["description"] = fixed_text(json.dumps(description))
        file["indptr"] = indptr.astype(types.indices)
        file["bias"], file["parametric_bias"] = nodes.bias, nodes.parametric_bias
        for name, dtype in types._asdict().items():
            file.create_dataset(name, n_edges, dtype, fill_time="never")
        yield EdgeWriter(file)


# -- reading --------------------------------------------------------------------------------------


class GraphFile(CheckedFile):
    """A file of an explicit graph.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FormatError
        If it is not such a file.
    StoreError
        If it is damaged or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        paths = Paths.of(path)
        if not paths.main.is_file() or not paths.main.stat().st_size:
            raise FormatError(f"{path}: expected a file of a graph (.h5), found no file")
        if paths.journal.exists():
            raise StoreError(
                f"{path}: expected a graph, to which nothing is appended; found "
                f"{paths.journal.name} beside it: remove that, or what it belongs to"
            )
        self.mapped = MappedFile(paths.main)
        try:
            with self.errors("header"):
                self._check_header()
            with self.errors("graph"):
                self._read()
        finally:
            self.close()

    def _check_header(self) -> None:
        attributes = self.file.attrs
        found = attribute(attributes, "format") if "format" in attributes else None
        if found != GRAPH_FORMAT:
            what = "a network (open it with cntgraph.open)" if found == FORMAT else "another one"
            raise FormatError(
                f"{self.path}: expected a graph as build_graph(net, out=...) writes it, found "
                f"an HDF5 file of {what}"
            )
        version = int(attribute(attributes, "format_version"))
        if version > _VERSION:
            raise StoreError(
                f"{self.path}: a graph of format {version}, this cntgraph reads up to "
                f"{_VERSION}: pip install --upgrade cntgraph"
            )

    def _read(self) -> None:
        description = json.loads(self.text("description"))
        check_graph(description)
        layers, blocks = rebuild_layers(description["layers"]), description["blocks"]
        n_nodes = sum(layer.n_nodes for layer in layers)
        n_edges, double = int(self.dataset("data").size or 0), np.dtype(np.float64)
        index = index_dtype(max(n_nodes, n_edges))
        # Of nodes there are few, and the file need not be asked for them again.
        bias = self._mapped("bias", n_nodes, double).copy()
        learned = self._mapped("parametric_bias", n_nodes, double).copy()
        names = tuple(block["name"] for block in blocks)
        parametric = np.array([block["parametric"] for block in blocks], dtype=bool)
        self.nodes = GraphNodes(layers, names, parametric, bias, learned, description["labels"])
        self.indptr = self._mapped("indptr", n_nodes + 1, index).copy()
        self.indices = self._mapped("indices", n_edges, index)
        self.data = self._mapped("data", n_edges, np.dtype(np.float32), double)
        mark = np.min_scalar_type(max(len(blocks) - 1, 0))
        self.edge_block = self._mapped("edge_block", n_edges, mark)
        self._check_rows()

    def _mapped(self, name: str, n: int, *dtypes: np.dtype[Any]) -> NDArray[Any]:
        """Return an array where it lies in the file, after checking that it is what it should be.

        Raises
        ------
        StoreError
        """
        dataset = self.dataset(name)
        if dataset.shape != (n,) or dataset.dtype not in dtypes:
            raise StoreError(
                f"{self.path}: {name} is damaged: expected {n:,} numbers of "
                f"{' or '.join(map(str, dtypes))}, found {dataset.dtype} of shape {dataset.shape}"
            )
        if dataset.chunks is not None or filters(dataset):
            raise StoreError(
                f"{self.path}: {name} is cut into chunks or packed; expected numbers that lie "
                "together, as build_graph(net, out=...) writes them: write the file again"
            )
        offset = dataset.id.get_offset()
        if n and offset is None:
            raise StoreError(f"{self.path}: {name} is damaged: its numbers are not in the file")
        return self.mapped.array(offset or 0, (n,), dataset.dtype)

    def _check_rows(self) -> None:
        """Raise if the arrays are not those of a CSR matrix; a few rows are looked at a time."""
        from cntgraph.core.kernels.csr_checks import first_bad_row

        n, n_blocks = len(self.indptr) - 1, len(self.nodes.block_names)

        def work(first: int) -> int:
            self.mapped.check()
            rows = first, min(first + _ROWS, n)
            return int(first_bad_row(self.indptr, self.indices, self.edge_block, rows, n, n_blocks))

        found = ordered_map(work, range(0, n, _ROWS), threads=1 if n <= _ROWS else None)
        bad, n_edges = max(found, default=-1), len(self.data)
        if bad >= 0 or self.indptr[0] or self.indptr[-1] != n_edges:
            raise StoreError(
                f"the edges of node {max(bad, 0)} are damaged: expected rows that follow each "
                f"other up to edge {n_edges}, with ascending targets below {n} and blocks below "
                f"{n_blocks}; copy the file again"
            )
