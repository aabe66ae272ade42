"""Which paths from input to output are left while edges and nodes of a graph are taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids, Values
from cntgraph.graph.ends import ends_of
from cntgraph.graph.graph import Graph

#: Ends whose paths are followed at once.
_AT_ONCE = 64


class Removal(NamedTuple):
    """When edges and nodes go: what has time t is there as long as fewer than t have gone.

    Attributes
    ----------
    edge_times : ndarray of int64, shape (n_edges,)
    node_times : ndarray of int64, shape (n_nodes,)
    moments : ndarray of int64, shape (n_moments,)
        How many have gone when the graph is looked at, ascending.
    """

    edge_times: Ids
    node_times: Ids
    moments: Ids


class _Ordered(NamedTuple):
    """Nodes, each after those that its edges lead to; as they come, if there are loops."""

    order: Ids
    is_dag: bool


def shares_of_pairs(graph: Graph, removal: Removal) -> Values:
    """Return, of the pairs of input and output that are joined, the share that is at each moment.

    Parameters
    ----------
    graph : Graph
    removal : Removal

    Returns
    -------
    ndarray of float64, shape (n_moments,)
        NaN where there are no such pairs, or input and output are not known.
    """
    lives = np.zeros(int(removal.moments[-1]) + 2, dtype=np.int64)
    for widths in _widths(graph, removal):
        lives += np.bincount(widths.reshape(-1).astype(np.int64), minlength=len(lives))
    lives[0] = 0  # of pairs that no path joins
    left = np.cumsum(lives[::-1])[::-1]
    with np.errstate(invalid="ignore"):
        found: Values = left[removal.moments + 1] / np.float64(left[0])
    return found


def _widths(graph: Graph, removal: Removal) -> Iterator[Values]:
    """Yield how long the longest-lived path of each pair lives, some ends at a time."""
    from scipy.sparse import csr_array

    from cntgraph.core.kernels.widest_paths import widen_rows

    inputs, outputs = _ends(graph)
    ordered, old = _ordered(graph), graph.adjacency
    times = removal.edge_times.astype(np.float64)
    matrix, order = csr_array((times, old.indices, old.indptr), shape=old.shape), ordered.order
    if inputs.size < outputs.size:
        inputs, outputs = outputs, inputs
        matrix, order = matrix.T.tocsr(), order[::-1].copy()
    for first in range(0, outputs.size, _AT_ONCE):
        ends = outputs[first : first + _AT_ONCE]
        check_memory(16 * len(ends) * graph.n_nodes, f"paths of {graph.n_nodes:,} nodes")
        widths = np.zeros((graph.n_nodes, len(ends)))
        widths[ends, np.arange(len(ends))] = removal.node_times[ends]
        before = np.full_like(widths, np.nan)
        while not np.array_equal(before, widths):
            before = widths if ordered.is_dag else widths.copy()
            widen_rows(matrix.indptr, matrix.indices, matrix.data, order, widths)
        yield widths[inputs]


def shares_of_paths(graph: Graph, removal: Removal) -> Values:
    """Return the share of the paths from input to output that is left at each moment.

    Parameters
    ----------
    graph : Graph
    removal : Removal

    Returns
    -------
    ndarray of float64, shape (n_moments,)
        NaN where there are no paths, or infinitely many, or input and output are not known.
    """
    from cntgraph.core.kernels.percolation import path_shares, surviving_paths

    (inputs, outputs), ordered = _ends(graph), _ordered(graph)
    n, n_moments = graph.n_nodes, len(removal.moments)
    logs = np.full(n, -np.inf)
    if ordered.is_dag:
        check_memory(8 * (n * n_moments + graph.n_edges), f"paths of {n:,} nodes")
        is_end = np.zeros(n, dtype=bool)
        is_end[outputs] = True
        shares, ends = np.zeros(graph.n_edges), np.zeros(n)
        edges = (graph.adjacency.indptr, graph.adjacency.indices, ordered.order)
        path_shares(*edges, is_end, logs, shares, ends)
    top = logs[inputs].max(initial=-np.inf)
    if top == -np.inf:
        return np.full(n_moments, np.nan)
    found = np.zeros((n, n_moments))
    surviving_paths(*edges, shares, ends, *removal, found)
    weights = np.exp(logs[inputs] - top)
    total: Values = weights @ found[inputs] / weights.sum()
    return total


def _ends(graph: Graph) -> tuple[Ids, Ids]:
    """Return the nodes of input and output; none where they are not known."""
    try:
        return ends_of(graph, "percolation")
    except UndefinedMeasureError:
        none = np.zeros(0, dtype=np.int64)
        return none, none


def _ordered(graph: Graph) -> _Ordered:
    from cntgraph.core.kernels.depths import longest_paths

    n, depth = graph.n_nodes, np.zeros(graph.n_nodes, dtype=np.int64)
    is_dag = longest_paths(graph.adjacency.indptr, graph.adjacency.indices, depth) == n
    order = np.argsort(-depth, kind="stable") if is_dag else np.arange(n)[::-1].copy()
    return _Ordered(order, is_dag)
