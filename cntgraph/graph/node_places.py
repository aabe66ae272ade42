"""node_places: which nodes some numbers are of: layer, channel and position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cntgraph.core.types import Ids
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network
from cntgraph.network.node_table import node_rows

if TYPE_CHECKING:
    import pandas as pd

#: What a table of nodes says besides, of their layers and of their weights.
_BESIDES = ["layer_index", "kind", "activation", "bias"]


def node_places(net_or_graph: Network | Graph, nodes: Ids) -> pd.DataFrame:
    """Return where some nodes are; of a large network, no table of all nodes is made.

    Parameters
    ----------
    net_or_graph : Network or Graph
    nodes : ndarray of int64, shape (n,)
        Their ids, in any order.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``node``: ``layer``, ``channel``, ``z``, ``y``, ``x``, -1 where a layer has no
        such axis, and what else `Graph.nodes` knows of them (``node_id``).

    Examples
    --------
    >>> import numpy as np, cntgraph as cg
    >>> node_places(cg.toy("cnn"), np.array([40, 126]))
          layer  channel  z  y  x
    node
    40    conv1        0 -1  0  4
    126      fc        0 -1 -1 -1
    """
    table = net_or_graph.table if isinstance(net_or_graph, Graph) else None
    rows = node_rows(net_or_graph.layers, nodes) if table is None else table.iloc[nodes]
    return rows.drop(columns=_BESIDES, errors="ignore")
