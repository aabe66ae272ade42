"""Node groups: the coarsest groups of nodes that every view of a network sees whole or not at all.

Which operation depends on which follows from the groups that they write and read. Layers are not
fine enough for that: an unrolled recurrent layer is one layer whose time steps feed each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids
from cntgraph.core.view import View, parts_of


def node_groups(views: Sequence[View], n_nodes: int) -> list[Ids]:
    """Return, for each view, the groups that it sees.

    Parameters
    ----------
    views : sequence of View
    n_nodes : int
        Number of nodes that they may see.

    Returns
    -------
    list of ndarray of int64
        Groups count from 0. Two views share a node if and only if they share a group.

    Notes
    -----
    Views of consecutive nodes cut the nodes into intervals, for free. Only where a view sees a
    part of an interval (a time step, a slice of channels) its nodes are told apart, by the sum of
    a random number of 64 bits for each such view that sees them.

    Examples
    --------
    >>> evens = View.of(np.array([0, 2, 4]))
    >>> node_groups([View((6,), 0), evens, View((2,), 6)], 8)
    [array([0, 1]), array([1]), array([2])]
    """
    starts = _starts(views, n_nodes)
    nodes = [None if view.ids is None else np.unique(view.ids[view.ids >= 0]) for view in views]
    marks = _marks(nodes, starts, n_nodes)
    group, groups_in = _number(starts, marks, n_nodes)
    found = []
    for view, seen in zip(views, nodes, strict=True):
        if seen is None:
            low, high = np.searchsorted(starts, view.span())
            found.append(np.concatenate([groups_in[k] for k in range(low, high)] or [_NONE]))
        elif group is None:
            inside = parts_of(seen, starts)
            found.append(np.concatenate([groups_in[k] for k in inside] or [_NONE]))
        else:
            found.append(np.unique(group[seen]))
    return found


_NONE = np.zeros(0, dtype=np.int64)


def _starts(views: Sequence[View], n_nodes: int) -> Ids:
    """Return where the intervals begin that views of consecutive nodes cut."""
    spans = [view.span() for view in views if view.ids is None and view.size]
    starts = np.unique(np.array([0, *(end for span in spans for end in span)], dtype=np.int64))
    return starts[starts < n_nodes]


def _marks(nodes: Sequence[Ids | None], starts: Ids, n_nodes: int) -> NDArray[np.uint64] | None:
    """Return one number per node by which the nodes of an interval differ; None if none do."""
    rng, lengths = np.random.default_rng(0), np.diff(np.append(starts, n_nodes))
    marks: NDArray[np.uint64] | None = None
    for seen in nodes:
        if seen is None:
            continue
        interval = np.searchsorted(starts, seen, side="right") - 1
        counts = np.bincount(interval, minlength=len(starts))
        partly = seen[(counts < lengths)[interval]]
        if partly.size:
            if marks is None:
                check_memory(16 * n_nodes, f"telling {n_nodes:,} nodes apart")
                marks = np.zeros(n_nodes, dtype=np.uint64)
            marks[partly] += rng.integers(1 << 63, dtype=np.uint64)  # wraps around
    return marks


def _number(
    starts: Ids, marks: NDArray[np.uint64] | None, n_nodes: int
) -> tuple[Ids | None, list[Ids]]:
    """Return the group of every node (None if groups are intervals) and the groups by interval."""
    if marks is None:
        return None, [np.array([k]) for k in range(len(starts))]
    group, groups_in, n = np.empty(n_nodes, dtype=np.int64), [], 0
    for start, stop in pairwise([*starts.tolist(), n_nodes]):
        distinct, index = np.unique(marks[start:stop], return_inverse=True)
        group[start:stop] = n + index
        groups_in.append(np.arange(n, n + len(distinct)))
        n += len(distinct)
    return group, groups_in
