"""build_graph: a network unrolled into an explicit graph, in memory or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from shutil import disk_usage

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import GraphSizeError, StoreError
from cntgraph.core.memory import check_memory
from cntgraph.core.new_file import check_free
from cntgraph.core.types import Array
from cntgraph.graph.file_graph import open_graph
from cntgraph.graph.graph import Graph
from cntgraph.graph.unrolling import RowArrays, Unrolling, assemble
from cntgraph.network.blocks.csr import index_dtype, row_runs
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.coarsening.grouping import Aggregation
from cntgraph.network.network import Edges, Network, coarsen
from cntgraph.network.size import Estimate
from cntgraph.store.graph_file import GraphNodes, new_graph_file

#: Edges up to which a network is unrolled in memory without being asked: about 2 GiB.
MAX_EDGES = 200_000_000
#: Edges that are held at a time on their way into a file: up to 130 MB.
PIECE_EDGES = 1 << 23


@takes(Network)
def build_graph(
    net: Network,
    *,
    granularity: Granularity = "neuron",
    aggregation: Aggregation = "sum",
    layers: Sequence[str] | None = None,
    edges: Edges = "all",
    threshold: float | None = None,
    max_edges: int | None = None,
    out: str | PathLike[str] | None = None,
) -> Graph:
    """Unroll a network into one CSR adjacency over all its nodes.

    Parameters
    ----------
    net : Network
        The network.
    granularity : {"neuron", "channel", "layer"}, default "neuron"
        What a node is: a neuron, a channel (a feature map, a unit, a token's feature) or a
        layer; see `coarsen`.
    aggregation : {"sum", "l1", "l2"}, default "sum"
        What an edge's weight is of those between two channels or layers.
    layers : sequence of str, optional
        Keep these layers only (names, or patterns as in `Network.keep_layers`), and the edges
        among them.
    edges : {"all", "parametric"}, default "all"
        Whether to keep structural edges (pooling, identity).
    threshold : float, optional
        Keep edges with ``abs(weight) >= threshold`` only, and none of weight NaN;
        `threshold_edges` does so, too, and says what share of edges and weights that is.
    max_edges : int, optional
        Refuse, before anything is allocated, to unroll more edges than this; by default 200
        million, or with `out` as many as the disk has room for.
    out : path-like, optional
        A new file (HDF5) that the edges are written to, some rows at a time, and stay in: for
        graphs larger than memory. `open_graph` opens it again.

    Returns
    -------
    Graph

    Raises
    ------
    GraphSizeError
        If there would be more than `max_edges` edges; the message carries the estimate.
    StoreError
        If there is a file `out` already, or it cannot be written.

    Notes
    -----
    The number of edges of every row is known in closed form, so the arrays are allocated once
    and every block writes its edges to their place. With `out`, it does so for as many rows as
    have 8 million edges at a time.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("cnn"), edges="parametric")
    >>> graph.adjacency.shape == (graph.n_nodes, graph.n_nodes)
    True
    >>> graph = cg.build_graph(cg.toy("cnn"), granularity="layer", aggregation="l1")
    >>> graph.adjacency.toarray().round(2)
    array([[ 0.  ,  6.08,  0.  ,  0.  ],
           [ 0.  ,  0.  ,  8.  ,  0.  ],
           [ 0.  ,  0.  ,  0.  , 21.41],
           [ 0.  ,  0.  ,  0.  ,  0.  ]])
    """
    net = coarsen(net, granularity, aggregation=aggregation)
    if layers is not None:
        net = net.keep_layers(*layers)
    _check_size(net.estimate(edges=edges), max_edges, in_memory=out is None)
    blocks = net.select_blocks(edges)
    names = tuple(block.name for block in blocks)
    parametric = np.array([block.parametric for block in blocks], dtype=bool)
    biases = (net.bias(edges), net.bias("parametric"))
    if out is not None:
        path, nodes = Path(out), GraphNodes(net.layers, names, parametric, *biases, net.labels)
        check_free(path, overwrite=False, error=StoreError)
        _write(path, nodes, Unrolling.of(net.n_nodes, blocks), threshold)
        return open_graph(path)
    adjacency, marks = assemble(net.n_nodes, blocks)
    graph = Graph(adjacency, marks, net.layers, names, parametric, *biases, labels=net.labels)
    return graph if threshold is None else graph.keep_edges(_kept(adjacency.data, threshold))


def _check_size(estimate: Estimate, max_edges: int | None, *, in_memory: bool) -> None:
    limit = MAX_EDGES if max_edges is None and in_memory else max_edges
    if limit is not None and estimate.n_edges > limit:
        raise GraphSizeError(
            f"the unrolled graph would have {estimate}; the limit is max_edges={limit:,}. "
            "Choose layers=, or use measures on the network itself, which need no explicit graph; "
            "or raise max_edges, or let the edges stay in a file: out="
        )
    if in_memory:
        check_memory(estimate.nbytes, f"the unrolled graph of {estimate.n_edges:,} edges")


def _write(path: Path, nodes: GraphNodes, unrolling: Unrolling, threshold: float | None) -> None:
    """Write the edges to a file, some rows after the other."""
    indptr, types = unrolling.indptr, unrolling.types
    if threshold is not None:
        indptr = _kept_indptr(unrolling, threshold)
        types = types._replace(indices=index_dtype(max(len(indptr) - 1, int(indptr[-1]))))
    _check_disk(path, int(indptr[-1]) * sum(dtype.itemsize for dtype in types))
    with new_graph_file(path, nodes, indptr, types) as file:
        for rows in row_runs(unrolling.indptr[1:], PIECE_EDGES):
            edges = unrolling.rows(*rows)
            if threshold is not None:
                kept = _kept(edges.data, threshold)
                edges = RowArrays(*(values[kept] for values in edges))
            file.add(*edges)


def _kept_indptr(unrolling: Unrolling, threshold: float) -> NDArray[np.int64]:
    """Return where each node's edges begin among those that stay: unrolled once to be counted."""
    indptr = np.zeros(len(unrolling.indptr), dtype=np.int64)
    for first, last in row_runs(unrolling.indptr[1:], PIECE_EDGES):
        kept = np.concatenate([[0], np.cumsum(_kept(unrolling.rows(first, last).data, threshold))])
        ends = unrolling.indptr[first : last + 1] - unrolling.indptr[first]
        indptr[first + 1 : last + 1] = np.diff(kept[ends])
    return np.cumsum(indptr)


def _kept(weights: Array, threshold: float) -> NDArray[np.bool_]:
    return np.abs(weights) >= threshold


def _check_disk(path: Path, n_bytes: int) -> None:
    if path.parent.is_dir() and n_bytes > (free := disk_usage(path.parent).free):
        raise GraphSizeError(
            f"{path} would take {n_bytes / 2**30:.3g} GiB, {free / 2**30:.3g} GiB are free there; "
            "choose layers= or a threshold=, or another disk"
        )
