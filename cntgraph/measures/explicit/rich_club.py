"""Rich club: whether nodes of many edges are connected to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.wiring import SWAPS_PER_EDGE, Wiring
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.measures.explicit.engine import Seed


@takes(Network, Graph)
def rich_club(
    net_or_graph: Network | Graph,
    *,
    n_nulls: int = 0,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return the rich-club coefficient of every degree, and how it compares with chance.

    Whether nodes of many edges lead to each other: more than their degrees explain where the ratio
    to chance is above 1, less where it is below.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights.
    n_nulls : int, default 0
        Compare with so many randomly wired networks of the same degrees in every block, at
        least 2; 0 does not.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row per degree k, ascending, as long as two nodes have more: ``degree``, ``n_nodes``
        and ``n_edges`` (of and among the nodes of degree > k), ``coefficient``; with nulls also
        ``null_mean``, ``null_std`` (ddof 1) and ``ratio`` = coefficient / null_mean, which is
        what tells of a rich club where it is above 1 (NaN where no null has such an edge).

    Raises
    ------
    UndefinedMeasureError
        If there are no edges; or with nulls, if no two edges can be swapped.
    GraphSizeError
        If a network has more than `max_edges` edges.

    Notes
    -----
    φ(k) = 2 E_>k / (N_>k (N_>k - 1)) on the undirected graph: parallel edges, and those in both
    directions, are one, loops none. φ of nodes of many edges is high by chance, and low where
    they are all in one layer, so that only the ratio to nulls that keep the layers tells.
    O(n_nodes + n_edges) each.

    References
    ----------
    .. [1] V. Colizza, A. Flammini, M. A. Serrano, A. Vespignani, "Detecting rich-club ordering in
       complex networks", Nature Physics 2 (2006).

    Examples
    --------
    >>> import cntgraph as cg
    >>> rich_club(cg.toy("mlp"))
       degree  n_nodes  n_edges  coefficient
    0       0       20       88     0.463158
    1       4       18       80     0.522876
    2       8       12       32     0.484848
    """
    if n_nulls < 0 or n_nulls == 1:
        raise CntGraphError(f"expected n_nulls to be 0, or at least 2; got {n_nulls}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    wiring, random = Wiring.of(graph), np.random.default_rng(rng)
    if not wiring.n_edges:
        raise UndefinedMeasureError("rich_club is not defined on a graph without edges")
    table = _coefficients(wiring)
    degrees = table["degree"].to_numpy()
    nulls = [
        _coefficients(wiring.rewired(random, noun="rich_club"), degrees)["coefficient"]
        for _ in progress(range(n_nulls), "rewired networks", show=show_progress)
    ]
    return _with_nulls(table, nulls) if nulls else table


def operations(n_nodes: int, n_edges: int, n_nulls: int = 0) -> float:
    """Return how many elementary operations it takes.

    Examples
    --------
    >>> operations(1000, 20_000)
    21000.0
    """
    return float(n_nodes + n_edges) * (1 + SWAPS_PER_EDGE * n_nulls)


def _coefficients(wiring: Wiring, k: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """Return a row each of some degrees, by default of those that occur."""
    import pandas as pd

    low = np.minimum(wiring.source, wiring.target)
    pairs = np.unique(low * wiring.n_nodes + np.maximum(wiring.source, wiring.target))
    source, target = np.divmod(pairs, wiring.n_nodes)
    degree = np.bincount(source, minlength=wiring.n_nodes)
    degree += np.bincount(target, minlength=wiring.n_nodes)
    poorer = np.minimum(degree[source], degree[target])
    top = int(degree.max())
    n_nodes = _more_than(np.bincount(degree, minlength=top + 1))
    n_edges = _more_than(np.bincount(poorer, minlength=top + 1))
    if k is None:  # φ changes at degrees that occur only
        k = np.concatenate([[0], np.unique(degree[degree > 0])])
        k = k[n_nodes[k] > 1]
    n, e = (counts[np.minimum(k, top)] for counts in (n_nodes, n_edges))
    columns: dict[str, Any] = {"degree": k, "n_nodes": n, "n_edges": e}
    pairs_of_rich = n * (n - 1.0) / 2
    columns["coefficient"] = np.divide(
        e, pairs_of_rich, out=np.full(len(k), np.nan), where=pairs_of_rich > 0
    )
    return pd.DataFrame(columns)


def _more_than(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each k, how many there are above it."""
    above: NDArray[np.int64] = counts.sum() - np.cumsum(counts)
    return above


def _with_nulls(table: pd.DataFrame, nulls: list[pd.Series]) -> pd.DataFrame:
    # Where a null's edges come to lead both ways, its nodes have fewer neighbors: a degree may
    # be beyond all of them, and the null is left out of the mean.
    values = np.ma.masked_invalid(np.array(nulls))
    mean = np.ma.filled(values.mean(axis=0), np.nan)
    std = np.ma.filled(values.std(axis=0, ddof=1), np.nan)
    own = table["coefficient"].to_numpy()
    ratio = np.divide(own, mean, out=np.full(len(own), np.nan), where=mean > 0)
    return table.assign(null_mean=mean, null_std=std, ratio=ratio)
