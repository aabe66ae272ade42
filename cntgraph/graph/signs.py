"""The sign policy: what a measure that needs weights ≥ 0 takes of the negative ones.

Flows, shortest paths and communities are defined for weights that are not negative; about half
of a trained network's weights are. There is no choice that is right for every question, so the
caller makes it, and a measure without one raises instead of returning a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, NamedTuple, TypeVar, get_args

import numpy as np

from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, SignedWeightError
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

Sign = Literal["absolute", "positive", "negative", "split"]
Result = TypeVar("Result")

#: Edges of a graph that are looked at together; it may be larger than memory.
_CHUNK = 1 << 20


class Split(NamedTuple, Generic[Result]):
    """A measure of the graph of positive weights, and of that of negative weights."""

    positive: Result
    negative: Result


def by_sign(
    net_or_graph: Network | Graph,
    sign: Sign | None,
    measure: Callable[[Transform], Result],
    *,
    edges: Edges = "all",
    noun: str,
) -> Result | Split[Result]:
    """Return a measure under the sign policy that the caller chose.

    Parameters
    ----------
    net_or_graph : Network or Graph
    sign : {"absolute", "positive", "negative", "split"} or None
        ``"absolute"`` takes |w| of every weight; ``"positive"`` the edges with w ≥ 0 as they
        are; ``"negative"`` the edges with w ≤ 0, by |w|; ``"split"`` gives both of the last.
        None is enough for weights none of which is negative.
    measure : callable
        Takes the transform (``"absolute"``, ``"positive"`` or ``"negative"``) whose magnitude
        it measures.
    edges : {"all", "parametric"}, default "all"
        Whose weights are looked at.
    noun : str
        The measure's name, for errors.

    Returns
    -------
    what `measure` returns, or a `Split` of two for ``sign="split"``

    Raises
    ------
    SignedWeightError
        If there are negative weights and no policy.
    NonFiniteWeightError
        If a weight is NaN or infinite; the message names the blocks.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> total = lambda transform: abs(cg.node_strength(net, transform=transform).sum()).round(2)
    >>> by_sign(net, "split", total, noun="total")
    Split(positive=..., negative=...)
    >>> by_sign(net, None, total, noun="total")
    Traceback (most recent call last):
    cntgraph.core.errors.SignedWeightError: total is defined for weights that are not negative, ...
    """
    if sign is not None and sign not in get_args(Sign):
        choices = ", ".join(map(repr, get_args(Sign)))
        raise CntGraphError(f"expected sign to be one of {choices}; got {sign!r}")
    has_negative = check_weights(net_or_graph, edges=edges, noun=noun)
    if sign is None and has_negative:
        raise SignedWeightError(
            f"{noun} is defined for weights that are not negative, and some are: pass "
            "sign='absolute' (|w| of all), 'positive' (only edges with w ≥ 0), 'negative' (only "
            "edges with w ≤ 0, by |w|) or 'split' (both of the last, one by one)"
        )
    if sign == "split":
        return Split(measure("positive"), measure("negative"))
    return measure(sign or "absolute")


def check_weights(net_or_graph: Network | Graph, *, edges: Edges = "all", noun: str) -> bool:
    """Return whether a weight is negative, having made sure that all are finite.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network costs a pass over its parameters, a graph one over its edges.
    edges : {"all", "parametric"}, default "all"
        Whose weights are looked at.
    noun : str
        The measure's name, for the error.

    Returns
    -------
    bool

    Raises
    ------
    NonFiniteWeightError
        If a weight is NaN or infinite; the message names the blocks.

    Examples
    --------
    >>> import cntgraph as cg
    >>> check_weights(cg.toy("mlp"), noun="PageRank")
    True
    """
    if isinstance(net_or_graph, Graph):
        bad, has_negative = _signs_of_graph(net_or_graph, edges)
    else:
        bad, has_negative = _signs_of_network(net_or_graph, edges)
    if bad:
        names = ", ".join(bad[:5]) + (", …" if len(bad) > 5 else "")
        raise NonFiniteWeightError(
            f"{noun} needs finite weights; there are NaN or infinite ones in: {names}. "
            "cntgraph.link_weights counts them"
        )
    return has_negative


@np.errstate(invalid="ignore", over="ignore")
def _signs_of_network(net: Network, edges: Edges) -> tuple[list[str], bool]:
    bad, has_negative = [], False
    for block in net.select_blocks(edges):
        sums = block.class_sums(("absolute", "negative")).sums
        if not np.isfinite(sums["absolute"].column.table).all():
            bad.append(block.name)
        has_negative |= bool((sums["negative"].column.table < 0).any())
    return bad, has_negative


def _signs_of_graph(graph: Graph, edges: Edges) -> tuple[list[str], bool]:
    weights, marks = graph.adjacency.data, graph.edge_block
    bad, has_negative = np.zeros(len(graph.block_names), dtype=bool), False
    for start in range(0, len(weights), _CHUNK):
        data, blocks = weights[start : start + _CHUNK], marks[start : start + _CHUNK]
        if edges == "parametric":
            kept = graph.parametric[blocks]
            data, blocks = data[kept], blocks[kept]
        bad[blocks[~np.isfinite(data)]] = True
        has_negative = has_negative or bool((data < 0).any())
    return [graph.block_names[k] for k in np.flatnonzero(bad)], has_negative
