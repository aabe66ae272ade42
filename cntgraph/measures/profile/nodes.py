"""node_measures: measures of every node side by side, as a table; values_of_nodes: one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_places import node_places
from cntgraph.graph.signs import Sign
from cntgraph.measures.explicit.graph import explicit_graph
from cntgraph.measures.layer_values import DIRECTIONS
from cntgraph.measures.profile.catalog import find_measures
from cntgraph.measures.profile.numbers import named_numbers
from cntgraph.measures.strength import node_strength
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd


@takes(Network, Graph)
def node_measures(
    net_or_graph: Network | Graph,
    measures: Sequence[str],
    *,
    sign: Sign | None = None,
    rng: int = 0,
) -> pd.DataFrame:
    """Return measures of nodes side by side, one row per node.

    Parameters
    ----------
    net_or_graph : Network or Graph
    measures : sequence of str
        Names of measures of nodes, such as ``"node_strength"`` and ``"pagerank"``.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What measures of weights ≥ 0 take of the others; they raise without it if there are
        negative weights.
    rng : int, default 0
        Seed of measures that draw random numbers.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``node``: its ``layer``, ``channel``, ``z``, ``y`` and ``x`` (-1 where the layer
        has no such axis), and one column of float64 per measure or part of it (``hits.hubs``). It
        can be handed to ``measures=`` of what exports graphs.

    Raises
    ------
    CntGraphError
        If there is no measure of a name, or it is not one of nodes.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> table = node_measures(net, ["node_strength", "hits"], sign="absolute")
    >>> table[["layer", "channel", "node_strength", "hits.hubs"]].tail(2).round(2)
         layer  channel  node_strength  hits.hubs
    node
    18     fc3        0           0.31        0.0
    19     fc3        1          -1.09        0.0
    """
    columns = _columns(net_or_graph, measures, sign, rng)
    return node_places(net_or_graph, np.arange(net_or_graph.n_nodes)).assign(**columns)


def values_of_nodes(
    net_or_graph: Network | Graph,
    measure: str | ArrayLike,
    *,
    sign: Sign | None = None,
    rng: int = 0,
) -> tuple[str, Values]:
    """Return the name and the values of one measure of nodes.

    Parameters
    ----------
    net_or_graph : Network or Graph
    measure : str or array_like of shape (n_nodes,)
        ``"strength"``, ``"in_strength"``, ``"out_strength"``; a name of `node_measures`, or that
        of one of its columns (``"hits.hubs"``); or values of any other measure.
    sign, rng
        As in `node_measures`.

    Returns
    -------
    name : str
        ``"value"`` of what is given by its values.
    values : ndarray of float64, shape (n_nodes,)

    Raises
    ------
    CntGraphError
        If there is no such measure, it has several columns, or there is not one value per node.

    Examples
    --------
    >>> import cntgraph as cg
    >>> name, values = values_of_nodes(cg.toy("mlp"), "hits.hubs", sign="absolute")
    >>> name, values.shape
    ('hits.hubs', (20,))
    """
    n = net_or_graph.n_nodes
    if not isinstance(measure, str):
        values = np.asarray(measure, dtype=np.float64)
        if values.shape != (n,):
            raise CntGraphError(f"expected one value per node, shape ({n},); got {values.shape}")
        return "value", values
    if measure in DIRECTIONS:
        return measure, node_strength(net_or_graph, direction=DIRECTIONS[measure])
    columns = _columns(net_or_graph, [measure.partition(".")[0]], sign, rng)
    chosen = measure if measure in columns or len(columns) != 1 else next(iter(columns))
    if chosen not in columns:
        raise CntGraphError(f"{measure!r}: expected one value per node; choose {list(columns)}")
    return chosen, columns[chosen]


def _columns(
    net_or_graph: Network | Graph, names: Sequence[str], sign: Sign | None, rng: int
) -> dict[str, Values]:
    """Return the values of measures, by their names and those of their parts."""
    columns: dict[str, Values] = {}
    graph = None
    for measure in find_measures(names):
        if not measure.of_nodes:
            known = ", ".join(m.name for m in find_measures() if m.of_nodes)
            raise CntGraphError(
                f"{measure.name} is a measure of the {measure.level}, not of nodes; those of "
                f"nodes are: {known}"
            )
        if measure.unrolls and graph is None:  # once for all that need it
            graph = explicit_graph(net_or_graph)
        subject = graph if measure.unrolls else net_or_graph
        options = {"sign": sign, "rng": rng}
        taken = {name: value for name, value in options.items() if measure.takes(name)}
        for part, values in named_numbers(measure.function(subject, **taken)).items():
            if len(values) == net_or_graph.n_nodes:  # not those of the whole: modularity
                columns[f"{measure.name}.{part}" if part else measure.name] = values
    return columns
