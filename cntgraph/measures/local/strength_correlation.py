"""Strength correlation: whether the nodes of a layer that receive much also give much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import node_strengths
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["pearson", "spearman"]

#: Strengths that lie closer than this part of the largest are the same, but for rounding.
_ROUNDING = 1e-12


@takes(Network, Graph)
def strength_correlation(
    net_or_graph: Network | Graph,
    *,
    method: Method = "pearson",
    transform: Transform = "signed",
    edges: Edges = "parametric",
    bias: bool = True,
) -> pd.DataFrame:
    """Return the correlation of in- and out-strength over the nodes of every layer.

    Whether nodes that receive much hand on much: near 1 they do, near 0 one has nothing to do with
    the other, and below 0 what is strongly driven is weakly read.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured in closed form on its blocks, a graph by its adjacency.
    method : {"pearson", "spearman"}, default "pearson"
        Of the strengths, or of their ranks.
    transform, edges, bias
        Of which strengths, as in `node_strength`.

    Returns
    -------
    DataFrame
        One row per layer: ``n_nodes``, ``correlation`` (float64, -1 to 1) and ``p_value`` (float64,
        two-sided, of no correlation). Both are NaN where the correlation is not defined: a layer
        of less than three nodes, one whose nodes all have the same in-strength or the same
        out-strength (an input or output layer), and one with a strength that is not finite.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.

    Notes
    -----
    Strengths that differ by less than 1e-12 of the layer's largest are taken as equal, so that
    ranks do not depend on the order in which a strength was summed. Signed strengths need no
    sign policy; ``transform="absolute"`` correlates sums of |w|.

    References
    ----------
    .. [1] The correlation of in- and out-degree of a node in directed networks: Serrano, Boguñá,
       "Topology of the world trade web", Physical Review E 68, 2003.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.local.strength_correlation import strength_correlation
    >>> strength_correlation(cg.toy("mlp")).round(3)
           n_nodes  correlation  p_value
    layer
    input        6          NaN      NaN
    fc1          8        0.268    0.521
    fc2          4       -0.928    0.072
    fc3          2          NaN      NaN
    """
    import pandas as pd

    if method not in get_args(Method):
        raise CntGraphError(f"expected method to be 'pearson' or 'spearman'; got {method!r}")
    found = node_strengths(net_or_graph, transform=transform, edges=edges, bias=bias)
    rows = []
    for layer in net_or_graph.layers:
        here = layer.slice
        correlation = _correlation(found.incoming[here], found.outgoing[here], method)
        rows.append((layer.n_nodes, *correlation))
    names = pd.Index([layer.name for layer in net_or_graph.layers], name="layer", dtype=object)
    table = pd.DataFrame(rows, index=names, columns=["n_nodes", "correlation", "p_value"])
    return table.astype({"n_nodes": np.int64, "correlation": float, "p_value": float})


def _correlation(x: Values, y: Values, method: Method) -> tuple[float, float]:
    from scipy import stats

    if len(x) < 3 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.nan, np.nan
    levels = _levels(x), _levels(y)
    if not (levels[0].any() and levels[1].any()):
        return np.nan, np.nan
    found = stats.pearsonr(x, y) if method == "pearson" else stats.spearmanr(*levels)
    return float(found.statistic), float(found.pvalue)


def _levels(values: Values) -> NDArray[np.int64]:
    """Return the rank of every value among the distinct ones, from 0; rounding apart."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > _ROUNDING * np.abs(values).max()
    levels = np.zeros(len(values), dtype=np.int64)
    levels[order[1:]] = np.cumsum(steps)
    return levels
