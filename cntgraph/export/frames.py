"""Snapshots of one network as one graph whose weights and strengths change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.types import Array
from cntgraph.export.edges import EdgeList, check_finite, edge_list
from cntgraph.export.limits import MAX_SNAPSHOTS, check_size, check_values
from cntgraph.export.source import check_options, graph_of
from cntgraph.graph.building import MAX_EDGES as UNROLLED
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import node_strengths
from cntgraph.network.network import Network

#: Bytes up to which what changes is held in memory; more is kept in a temporary file.
IN_MEMORY = 64 << 20


@dataclass(frozen=True, eq=False)
class Frames:
    """What changes from snapshot to snapshot, and what does not.

    Parameters
    ----------
    graph : Graph
        As it is at the snapshot that is drawn.
    edges : EdgeList
        Its edges.
    weights : ndarray, shape (n_snapshots, n_edges)
        In the order of `edges`.
    changing : dict of str to ndarray of float64, shape (n_snapshots, n_nodes)
        ``strength``, ``in_strength``, ``out_strength`` and ``bias`` of the nodes, and what else
        their table has of real numbers.
    """

    graph: Graph
    edges: EdgeList
    weights: Array
    changing: dict[str, Array]


def read_frames(
    snapshots: Sequence[Network | Graph],
    building: Mapping[str, Any],
    stack: ExitStack,
    *,
    parallel: Parallel,
    max_edges: int,
    drawn: int,
    show_progress: bool = True,
) -> Frames:
    """Unroll one snapshot after another, and put aside what changes.

    Parameters
    ----------
    snapshots : sequence of Network or Graph
        Of one topology.
    building : mapping
        Options of `build_graph`. With a threshold, edges stay that reach it in any snapshot.
    stack : ExitStack
        What is put aside on disk goes when it closes.
    parallel : {"keep", "sum"}
    max_edges : int
    drawn : int
        Which snapshot `graph` and `edges` are of.
    show_progress : bool, default True

    Returns
    -------
    Frames

    Raises
    ------
    GraphSizeError
        If there are too many edges, or too many values in all.
    NonFiniteWeightError
        If a weight is NaN or infinite; the message names the snapshot.
    CntGraphError
        If the snapshots are not of one network, or there is none that is drawn.
    """
    check_options(building)
    n = len(snapshots)
    if not -n <= drawn < n:
        raise CntGraphError(f"expected drawn as one of {n} snapshots, got {drawn}")
    cut = _Cut(snapshots, dict(building), max_edges)
    frames: Frames | None = None
    # The one that is drawn comes last, and stays.
    order = [k for k in range(n) if k != drawn % n] + [drawn % n]
    for k in progress(order, "snapshots", show=show_progress):
        graph = cut.graph(k)
        check_size(graph, max_edges)
        check_values(graph.n_edges, n, MAX_SNAPSHOTS * max_edges)
        check_finite(graph, f" (snapshot {k})")
        edges = edge_list(graph, parallel)
        if frames is None:
            frames = _empty(graph, edges, n, stack)
        frames = Frames(graph, edges, frames.weights, frames.changing)
        _put(frames, k)
    assert frames is not None
    return frames


def _empty(graph: Graph, edges: EdgeList, n_snapshots: int, stack: ExitStack) -> Frames:
    names = ("strength", "in_strength", "out_strength", "bias", *_own_columns(graph))
    nodes = {name: _room((n_snapshots, graph.n_nodes), np.float64, stack) for name in names}
    weights = _room((n_snapshots, edges.n_edges), edges.weight.dtype, stack)
    return Frames(graph, edges, weights, nodes)


def _put(frames: Frames, k: int) -> None:
    """Put aside the weights, strengths and biases of a snapshot."""
    frames.weights[k] = frames.edges.weight
    incoming, outgoing = node_strengths(frames.graph)
    found = {"strength": incoming + outgoing, "in_strength": incoming, "out_strength": outgoing,
             "bias": frames.graph.bias} | _own_columns(frames.graph)  # fmt: skip
    for name, values in frames.changing.items():
        values[k] = found.get(name, np.nan)


def _own_columns(graph: Graph) -> dict[str, Array]:
    """Return the real numbers of nodes that a graph has in a table of its own."""
    if graph.table is None:
        return {}
    own = graph.table.select_dtypes("floating")
    return {str(name): own[name].to_numpy() for name in own.columns if name != "bias"}


def _room(shape: tuple[int, int], dtype: DTypeLike, stack: ExitStack) -> Array:
    """Return an array to be filled; a large one is a file that goes when the stack closes."""
    if np.dtype(dtype).itemsize * shape[0] * shape[1] <= IN_MEMORY:
        return np.empty(shape, dtype)
    folder = stack.enter_context(TemporaryDirectory(prefix="cntgraph-", ignore_cleanup_errors=True))
    return np.memmap(Path(folder) / "values", dtype, "w+", shape=shape)


class _Cut:
    """The graphs of snapshots, each cut down to the same edges."""

    def __init__(
        self, snapshots: Sequence[Network | Graph], building: dict[str, Any], max_edges: int
    ) -> None:
        self.snapshots, self.building, self.max_edges = snapshots, building, max_edges
        self.threshold = building.pop("threshold", None)
        self.first: Graph | None = None
        self.kept = None if self.threshold is None else self._reaching()

    def graph(self, k: int) -> Graph:
        """Return the graph of a snapshot."""
        whole = self._whole(k)
        return whole if self.kept is None else whole.keep_edges(self.kept)

    def _reaching(self) -> NDArray[np.bool_]:
        """Return which edges reach the threshold in any snapshot."""
        kept = np.zeros(0, dtype=bool)
        for k in range(len(self.snapshots)):
            reached = np.abs(self._whole(k).adjacency.data) >= self.threshold
            kept = reached if k == 0 else kept | reached
        return kept

    def _whole(self, k: int) -> Graph:
        # With a threshold, edges may be many before those below it are left out.
        limit = self.max_edges if self.threshold is None else UNROLLED
        graph = graph_of(self.snapshots[k], limit, self.building)
        self.first = self.first or graph
        same = (
            graph.layers == self.first.layers
            and graph.adjacency.dtype == self.first.adjacency.dtype
            and np.array_equal(graph.adjacency.indptr, self.first.adjacency.indptr)
            and np.array_equal(graph.adjacency.indices, self.first.adjacency.indices)
        )
        if not same:
            raise CntGraphError(
                f"expected snapshots of one network; number {k} has other layers, edges or types "
                "of weights than the first: write each to a file of its own"
            )
        return graph
