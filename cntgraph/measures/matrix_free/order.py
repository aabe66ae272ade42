"""In which order the blocks of a network hand values on, and which of them make a loop."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.measures.matrix_free.node_groups import node_groups


class Stage(NamedTuple):
    """A part that all it depends on comes before, or a strongly connected component of parts.

    In a component may be loops; or none, as in an unrolled recurrent layer, one of whose blocks
    leads from each time step to the next.
    """

    parts: tuple[int, ...]
    is_strongly_connected: bool


def stages_of(views: Sequence[tuple[View, View]], n_nodes: int) -> tuple[Stage, ...]:
    """Order blocks so that each comes after all that write what it reads.

    Parameters
    ----------
    views : sequence of pairs of View
        What each block reads, and what it writes.
    n_nodes : int

    Returns
    -------
    tuple of Stage
        In topological order. A network without recurrent layers has one stage per block;
        blocks on a cycle share one.

    Notes
    -----
    The strongly connected components of the graph that joins blocks with the groups of nodes
    that they read and write (see `node_groups`).

    Examples
    --------
    >>> a, b, c = (View((2,), start) for start in (0, 2, 4))
    >>> stages_of([(b, c), (a, b)], 6)
    (Stage(parts=(1,), is_strongly_connected=False), Stage(parts=(0,), is_strongly_connected=False))
    >>> stages_of([(a, b), (b, b)], 4)
    (Stage(parts=(0,), is_strongly_connected=False), Stage(parts=(1,), is_strongly_connected=True))
    """
    n = len(views)
    groups = node_groups([view for pair in views for view in pair], n_nodes)
    reads, writes = groups[::2], groups[1::2]
    component = _components(reads, writes, n)
    on_cycle = np.bincount(component, minlength=component.max(initial=-1) + 1) > 1
    written: dict[int, set[int]] = {}
    for k in range(n):
        for group in writes[k].tolist():
            written.setdefault(group, set()).add(int(component[k]))
    needs = TopologicalSorter[int]()
    members: dict[int, list[int]] = {}
    for k in range(n):
        own = int(component[k])
        members.setdefault(own, []).append(k)
        before = set().union(*(written.get(group, set()) for group in reads[k].tolist()))
        needs.add(own, *sorted(before - {own}))
    return tuple(Stage(tuple(members[c]), bool(on_cycle[c])) for c in needs.static_order())


def _components(reads: Sequence[Ids], writes: Sequence[Ids], n: int) -> Ids:
    """Return the strongly connected component of each block, then of each group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = n + 1 + max((int(c.max(initial=-1)) for c in (*reads, *writes)), default=-1)
    rows = [np.full(len(c), k) for k, c in enumerate(writes)] + [n + c for c in reads]
    columns = [n + c for c in writes] + [np.full(len(c), k) for k, c in enumerate(reads)]
    places = (np.concatenate([*rows, _NONE]), np.concatenate([*columns, _NONE]))
    links = coo_array((np.ones(len(places[0])), places), shape=(size, size))
    if not size:
        return _NONE
    return np.asarray(connected_components(links, connection="strong")[1], dtype=np.int64)


_NONE = np.zeros(0, dtype=np.int64)


def linked(pairs: Sequence[tuple[set[int], set[int]]]) -> list[list[int]]:
    """Group blocks that read from a common place, or write to one, directly or by others.

    Parameters
    ----------
    pairs : sequence of pairs of sets of int
        The places (layers) that each block reads, and those that it writes.

    Returns
    -------
    list of lists of int
        Groups of blocks, in the order of their first members. Those without edges are left out.

    Notes
    -----
    These are the components of the bipartite double cover: every place has a copy that sends
    and one that receives. A's singular vectors live on one of them each, for Aᵀ A is zero
    between them.

    Examples
    --------
    >>> linked([({0}, {1}), ({1}, {2}), ({0}, {2})])
    [[0, 1, 2]]
    >>> linked([({0}, {1}), ({1}, {2})])
    [[0], [1]]
    """
    groups: list[tuple[set[tuple[str, int]], list[int]]] = []
    for k, (sources, targets) in enumerate(pairs):
        places = {("out", s) for s in sources} | {("in", t) for t in targets}
        members = [k]
        if not (sources and targets):
            continue
        kept = []
        for group in groups:
            if group[0] & places:
                places |= group[0]
                members = group[1] + members
            else:
                kept.append(group)
        groups = [*kept, (places, members)]
    return sorted(sorted(members) for _, members in groups)
