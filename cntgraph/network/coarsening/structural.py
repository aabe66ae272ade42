"""What structural edges (pooling, identity) are between channels and between layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids, Values
from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.blocks.base import Block
from cntgraph.network.coarsening.grouping import Aggregation, Grouping
from cntgraph.network.coarsening.merging import distinct


class Windows(NamedTuple):
    """What some target positions receive: number of edges, Σw, Σw² and Σ|w|, each of shape (n,)."""

    counts: Values
    sums: Values
    squares: Values
    sizes: Values

    def at(self, which: NDArray[np.intp]) -> Windows:
        """Return some of them."""
        return Windows(*(values[which] for values in self))

    def times(self, other: Windows) -> Windows:
        """Return the windows that are products of both."""
        return Windows(*(a * b for a, b in zip(self, other, strict=True)))


def added_up(
    block: Block, source: Grouping, target: Grouping, aggregation: Aggregation
) -> tuple[Ids, Ids, Values]:
    """Add up all edges of a structural block between coarse nodes.

    Parameters
    ----------
    block : Block
        One whose weights follow from the geometry.
    source, target : Grouping
        Of its views.
    aggregation : {"sum", "l1", "l2"}

    Returns
    -------
    sources, targets : ndarray of int64, shape (n_pairs,)
        Coarse nodes, ascending by source, then by target.
    weights : ndarray of float64, shape (n_pairs,)
        Ones, if the block only modulates.
    """
    edges = block.to_csr().tocoo()
    (starts, ends), pair = distinct(source.flat[edges.row], target.flat[edges.col])
    if block.modulatory:
        return starts, ends, np.ones(len(starts))
    values = edges.data.astype(np.float64)
    values = {"sum": values, "l1": abs(values), "l2": values**2}[aggregation]
    totals = _totals(pair, values, len(starts))
    return starts, ends, np.sqrt(totals) if aggregation == "l2" else totals


def _totals(which: Ids, values: Values, n: int) -> Values:
    return np.bincount(which, weights=values, minlength=n).astype(np.float64, copy=False)


def fullest_windows(
    operators: Sequence[AxisOperator], source: Grouping, target: Grouping
) -> tuple[Ids, Ids, Windows]:
    """Return what coarse nodes receive from each other, at the target position with most edges.

    Parameters
    ----------
    operators : sequence of AxisOperator
        One an axis after the first.
    source, target : Grouping
        Of shapes (channels, *positions).

    Returns
    -------
    sources, targets : ndarray of int64, shape (n_pairs,)
        Coarse nodes, ascending by source, then by target.
    windows : Windows
    """
    before, after = source.labels, target.labels
    constant = [before.shape[a] == after.shape[a] == 1 for a in range(1, before.ndim)]
    alike = reduce(Windows.times, [_fullest_column(s) for s, same in
                                   zip(operators, constant, strict=True) if same],
                   Windows(*np.ones((4, 1))))  # fmt: skip
    kept = [(axis, operator) for axis, (operator, same) in
            enumerate(zip(operators, constant, strict=True), start=1) if not same]  # fmt: skip
    rows = _spread_rows(before, [(axis, operator.n_in) for axis, operator in kept])
    columns = _spread_rows(after, [(axis, operator.n_out) for axis, operator in kept])
    found = _by_row(_Plane([operator for _, operator in kept]), rows, columns)
    starts, ends, windows = _largest(*found[:2], found[2].times(alike))
    some = np.flatnonzero((windows.counts > 0) & (starts >= 0))
    return starts[some], ends[some], windows.at(some)


def _fullest_column(operator: AxisOperator) -> Windows:
    matrix = operator.matrix.tocsc()
    counts = np.diff(matrix.indptr).astype(np.float64)
    squares = matrix.multiply(matrix).sum(axis=0)
    windows = Windows(counts, matrix.sum(axis=0), squares, abs(matrix).sum(axis=0))
    order = np.lexsort(windows[::-1])
    return windows.at(order[-1:]) if len(order) else Windows(*np.zeros((4, 1)))


def _spread_rows(labels: Ids, sizes: list[tuple[int, int]]) -> Ids:
    """Return labels as (channels, positions), with the axes that are given at full length."""
    shape = list(labels.shape)
    for axis, size in sizes:
        shape[axis] = size
    return np.broadcast_to(labels, shape).reshape(shape[0], -1)


def _by_row(plane: _Plane, rows: Ids, columns: Ids) -> tuple[Ids, Ids, Windows]:
    """Return what each channel's source nodes give to its target nodes.

    Channels whose positions are divided alike are alike, so that few are looked at; those between
    the same nodes are one.
    """
    starts, ends, windows = [], [], []
    known: dict[tuple[bytes, bytes], tuple[Ids, Ids, Windows]] = {}
    different = {(row.tobytes(), column.tobytes()): (row, column)
                 for row, column in zip(rows, columns, strict=True)}  # fmt: skip
    for row, column in different.values():
        (nodes, codes), (heads, marks) = (np.unique(x, return_inverse=True) for x in (row, column))
        key = (codes.tobytes(), marks.tobytes())
        if key not in known:
            known[key] = plane.windows(codes, marks)
        at, to, window = known[key]
        starts.append(nodes[at])
        ends.append(heads[to])
        windows.append(window)
    joined = [np.concatenate([w[k] for w in windows] or [np.zeros(0)]) for k in range(4)]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *starts]), np.concatenate([none, *ends]), Windows(*joined)


class _Plane:
    """The edges of one channel over the axes that are left."""

    def __init__(self, operators: list[AxisOperator]) -> None:
        from scipy.sparse import csr_array, kron

        matrix = csr_array(np.ones((1, 1)))
        for operator in operators:
            matrix = kron(matrix, operator.matrix, format="csr")
        edges = matrix.tocoo()
        self.row, self.column, self.data = edges.row, edges.col, edges.data
        size = matrix.shape[0] * matrix.shape[1]
        self.is_full = 0 < matrix.nnz == size and bool((self.data == 1.0).all())

    def windows(self, sources: Ids, targets: Ids) -> tuple[Ids, Ids, Windows]:
        """Return the fullest window between coarse nodes, given those of the positions."""
        if self.is_full:
            starts, ends = np.indices((sources.max() + 1, targets.max() + 1)).reshape(2, -1)
            counts = np.bincount(sources).astype(np.float64)[starts]
            return starts, ends, Windows(*[counts] * 4)
        (at, starts), which = distinct(self.column.astype(np.int64), sources[self.row])
        n = len(at)
        powers = (np.ones_like(self.data), self.data, self.data**2, abs(self.data))
        windows = Windows(*(_totals(which, values, n) for values in powers))
        return _largest(starts, targets[at], windows)


def _largest(starts: Ids, ends: Ids, windows: Windows) -> tuple[Ids, Ids, Windows]:
    """Return the fullest window of each pair: the one with most edges, then the largest sum."""
    order = np.lexsort((*windows[::-1], ends, starts))
    starts, ends, windows = starts[order], ends[order], windows.at(order)
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    last = np.flatnonzero(is_last)
    return starts[last], ends[last], windows.at(last)
