"""top_nodes: the hubs of a network by any measure of nodes, with where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_places import node_places
from cntgraph.graph.signs import Sign
from cntgraph.measures.profile.nodes import values_of_nodes
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd

Order = Literal["magnitude", "value"]


@takes(Network, Graph)
def top_nodes(
    net_or_graph: Network | Graph,
    measure: str | ArrayLike = "strength",
    n: int = 20,
    *,
    order: Order = "magnitude",
    layer: str | None = None,
    sign: Sign | None = None,
    rng: int = 0,
) -> pd.DataFrame:
    """Return the nodes that a measure is largest of, with where they are.

    Parameters
    ----------
    net_or_graph : Network or Graph
    measure : str or array_like of shape (n_nodes,), default "strength"
        ``"strength"``, ``"in_strength"``, ``"out_strength"``; any measure of `node_measures`
        (``"pagerank"``), or one of its columns (``"hits.hubs"``); or the values of another.
    n : int, default 20
        How many; all of them where there are fewer. A value that is NaN is none.
    order : {"magnitude", "value"}, default "magnitude"
        Whether a strong negative value counts as large, or as small.
    layer : str, optional
        Look at the nodes of this layer only.
    sign, rng
        As in `node_measures`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``node``, largest first; of equal values, in node order. ``layer``,
        ``channel``, ``z``, ``y``, ``x`` (-1 where the layer has no such axis), and a column named
        for the measure, or ``value``.

    Raises
    ------
    CntGraphError
        If there is no such measure or layer, or n is negative.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.top_nodes(cg.toy("cnn"), "strength", 2).round(3)
          layer  channel  z  y  x  strength
    node
    127      fc        1 -1 -1 -1     4.366
    79    conv1        1 -1  1  1    -3.094
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise CntGraphError(f"expected a number of nodes of 0 or more, got {n!r}")
    if order not in get_args(Order):
        raise CntGraphError(f"expected order to be 'magnitude' or 'value', got {order!r}")
    name, values = values_of_nodes(net_or_graph, measure, sign=sign, rng=rng)
    nodes = np.flatnonzero(~np.isnan(values))
    if layer is not None:
        here = net_or_graph.layer_slice(layer)
        nodes = nodes[(nodes >= here.start) & (nodes < here.stop)]
    size = np.abs(values[nodes]) if order == "magnitude" else values[nodes]
    chosen = nodes[np.argsort(-size, kind="stable")[:n]]
    return node_places(net_or_graph, chosen).assign(**{name: values[chosen]})
