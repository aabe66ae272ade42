"""HITS: hubs that point to good authorities, and authorities that good hubs point to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.core.types import Ids, Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.matrix_free.lanczos import leading_eigenpair
from cntgraph.measures.matrix_free.operator import (
    AdjacencyOperator,
    Operator,
    adjacency_operator,
)
from cntgraph.measures.matrix_free.order import linked
from cntgraph.measures.matrix_free.places import layers_of_parts
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

Scope = Literal["network", "layers"]


class Hits(NamedTuple):
    """The scores of every node, float64 of shape (n_nodes,)."""

    hubs: Values
    authorities: Values


@takes(Network, Graph)
def hits(
    net_or_graph: Network | Graph,
    *,
    scope: Scope = "network",
    normalized: bool = True,
    sign: Sign | None = None,
    edges: Edges = "all",
    tol: float = 1e-10,
    max_iter: int = 5000,
    show_progress: bool = True,
) -> Hits | Split[Hits]:
    """Return the hub and the authority score of every node.

    Hubs are nodes that lead to good authorities, authorities those that good hubs lead to: both are
    large for the nodes that make up the strongest direction of a block.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    scope : {"network", "layers"}, default "network"
        ``"network"``: the scores of the whole, as networkx's: all of them on one group of
        layers, zero elsewhere (see Notes). ``"layers"``: every group of layers by itself.
    normalized : bool, default True
        Whether hubs, and authorities, sum to one (each group's, if by layers); otherwise their
        largest is one.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What is taken of negative weights.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    tol : float, default 1e-10
        Relative residual of the singular vectors at which to stop.
    max_iter : int, default 5000
        Products with AᵀA, a group of layers.
    show_progress : bool, default True

    Returns
    -------
    Hits
        Of two arrays, ``hubs`` and ``authorities``. A `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If there is no edge of a weight other than zero.
    ConvergenceError
    GraphSizeError
        If the vectors of the largest group do not fit into memory.

    Notes
    -----
    Authorities are the leading eigenvector of AᵀA, hubs are A times that.

    **A trap in layered networks.** Two layers' nodes meet in AᵀA only if edges from one layer
    end in both. In a feed-forward chain no two blocks do, AᵀA falls apart into one matrix a
    block, and its leading eigenvector lies on the block with the largest singular value: the
    sources of that block have hub scores, its targets authority scores, every other node has
    zero. That is what HITS of the whole is, and what networkx gives; it says which block is
    strongest rather than which nodes are. ``scope="layers"`` gives the scores within each group
    of layers that hangs together, normalized on its own.

    Where singular values are equal (poolings; blocks that fall apart into channels), vectors
    are not unique; these are what Kleinberg's iteration comes to from equal scores.

    A group at a time, by Lanczos' method: some tens of products with its blocks, several
    hundred for a convolution over many positions, whose singular values lie close. Groups that
    a bound shows to be weaker are left out for the whole. Memory is 20 values a target of the
    largest group.

    References
    ----------
    .. [1] Kleinberg, "Authoritative sources in a hyperlinked environment", J. ACM 46(5), 1999,
       section 3.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> found = hits(net, sign="absolute")
    >>> [float(h.sum().round(6)) for h in net.split(found.hubs).values()]
    [0.0, 1.0, 0.0, 0.0]
    >>> found = hits(net, sign="absolute", scope="layers")
    >>> [float(h.sum().round(6)) for h in net.split(found.hubs).values()]
    [1.0, 1.0, 1.0, 0.0]
    """
    if scope not in get_args(Scope):
        raise CntGraphError(f"expected scope to be 'network' or 'layers', got {scope!r}")

    def measure(transform: Transform) -> Hits:
        operator = adjacency_operator(
            net_or_graph, transform=transform, edges=edges, magnitude=True
        )
        groups = _groups(_in_range(operator))
        if scope == "network":
            groups = _strongest(groups, show_progress=show_progress)
        found = []
        for group in progress(groups, "HITS", show=show_progress):
            leading = _leading(group, tol, max_iter)
            found += [] if leading is None else [leading]
        if not found:
            raise UndefinedMeasureError(
                "HITS is not defined where no edge has a weight other than zero; cntgraph."
                "node_strength and the degrees are"
            )
        together = [_together(found)] if scope == "network" else [[leading] for leading in found]
        return _scores(together, net_or_graph.n_nodes, normalized)

    return by_sign(net_or_graph, sign, measure, edges=edges, noun="HITS")


class _Group(NamedTuple):
    """Layers that hang together: their matrix and its nodes."""

    matrix: Operator
    sources: Ids
    targets: Ids


class _Leading(NamedTuple):
    """The leading singular value of a group, and its hubs and authorities."""

    value: float
    group: _Group
    hubs: Values
    authorities: Values


def _in_range(operator: AdjacencyOperator) -> AdjacencyOperator:
    """Return weights in a unit in which their squares are floats: scores have none."""
    with np.errstate(over="ignore"):
        largest = float(operator.matvec(np.ones(operator.n_nodes)).max(initial=0.0))
    if not 0 < largest < np.inf or _SMALLEST < largest < 1 / _SMALLEST:
        return operator
    return replace(operator, parts=tuple(part.divided(largest) for part in operator.parts))


#: Sums of weights of this size have squares, and sums of squares, that are exact floats.
_SMALLEST = 1e-60


def _groups(operator: AdjacencyOperator) -> list[_Group]:
    groups = linked(layers_of_parts(operator))
    return [_Group(*operator.between(parts)) for parts in groups]


def _leading(group: _Group, tol: float, max_iter: int) -> _Leading | None:
    """Return what Kleinberg's iteration comes to in a group; None if its weights are all zero."""
    matrix = group.matrix
    start = np.ones(matrix.shape[1])
    if not matrix.matvec(start).any():
        return None
    found = leading_eigenpair(
        lambda x: matrix.rmatvec(matrix.matvec(x)), start, tol=tol, max_iter=max_iter, noun="HITS"
    )
    # What the start has of the vector: groups of the same strength share by that.
    authorities = np.maximum(found.vector * (found.vector @ start), 0.0)
    hubs = np.maximum(matrix.matvec(authorities), 0.0)
    return _Leading(float(np.sqrt(max(found.value, 0.0))), group, hubs, authorities)


def _strongest(groups: Sequence[_Group], *, show_progress: bool) -> list[_Group]:
    """Leave out groups whose largest singular value is certainly below another's."""
    bounds = [_bounds(group.matrix) for group in progress(groups, "HITS", show=show_progress)]
    least = max((low for low, _ in bounds), default=0.0)
    kept = [group for group, (_, high) in zip(groups, bounds, strict=True) if high >= least]
    return kept


def _bounds(matrix: Operator, rounds: int = 4) -> tuple[float, float]:
    """Return numbers between which the largest eigenvalue of AᵀA lies (Collatz and Wielandt)."""
    x = np.ones(matrix.shape[1])
    low, high = 0.0, np.inf
    for _ in range(rounds):
        y = matrix.rmatvec(matrix.matvec(x))
        length = float(np.linalg.norm(y))
        if not length:
            return 0.0, 0.0
        low = max(low, float(x @ y) / float(x @ x) * (1 - 1e-12))
        positive = x > 0
        high = min(high, float((y[positive] / x[positive]).max()) * (1 + 1e-12))
        x = y / length
    return low, high


def _together(found: Sequence[_Leading]) -> list[_Leading]:
    """Keep the strongest group, or those that are equally strong."""
    largest = max(leading.value for leading in found)
    return [leading for leading in found if leading.value >= largest * (1 - 1e-9)]


def _scores(together: Sequence[Sequence[_Leading]], n_nodes: int, normalized: bool) -> Hits:
    """Put scores side by side, having normalized those that belong together."""
    hubs, authorities = np.zeros(n_nodes), np.zeros(n_nodes)
    for found in together:
        size = np.sum if normalized else np.max
        by_hubs, by_authorities = (
            size([size(values) for values in column])
            for column in ([f.hubs for f in found], [f.authorities for f in found])
        )
        for leading in found:
            hubs[leading.group.sources] = leading.hubs / by_hubs
            authorities[leading.group.targets] = leading.authorities / by_authorities
    return Hits(hubs, authorities)
