"""Measures of every node side by side, as a table of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign
from cntgraph.measures.explicit.graph import explicit_graph
from cntgraph.measures.profile.catalogue import find_measures
from cntgraph.measures.profile.numbers import named_numbers
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd


def node_measures(
    net_or_graph: Network | Graph, names: Sequence[str], *, sign: Sign | None = None, rng: int = 0
) -> pd.DataFrame:
    """Return measures of nodes side by side, one row per node.

    Parameters
    ----------
    net_or_graph : Network or Graph
    names : sequence of str
        Names of measures of nodes, such as ``"node_strength"`` and ``"pagerank"``.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What measures of weights ≥ 0 take of the others; they raise without it if there are
        negative weights.
    rng : int, default 0
        Seed of measures that draw random numbers.

    Returns
    -------
    pandas.DataFrame
        Float64, indexed by ``node``; one column per measure or part of it (``hits.hubs``). It can
        be handed to ``measures=`` of what exports graphs.

    Raises
    ------
    CntGraphError
        If there is no measure of a name, or it is not one of nodes.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> table = node_measures(net, ["node_strength", "hits"], sign="absolute")
    >>> list(table.columns), len(table)
    (['node_strength', 'hits.hubs', 'hits.authorities'], 20)
    """
    import pandas as pd

    columns: dict[str, Any] = {}
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
    index = pd.RangeIndex(net_or_graph.n_nodes, name="node")
    return pd.DataFrame(columns, index=index)
