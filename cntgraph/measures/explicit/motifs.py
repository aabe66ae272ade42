"""Motifs: how often each way of connecting three or four nodes occurs, and whether by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, directed_igraph
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.explicit.motif_names import motif_edges, motif_names
from cntgraph.measures.explicit.square_clustering import row_parts
from cntgraph.measures.explicit.wiring import Wiring
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

    from cntgraph.measures.explicit.engine import Seed


#: Elementary operations that finding one subgraph takes, and one step of a sparse product.
_A_SUBGRAPH, _A_STEP = 300, 10
#: How many classes of directed graphs of three and of four nodes there are.
_CLASSES = {3: 16, 4: 218}


@takes(Network, Graph)
def motifs(
    net_or_graph: Network | Graph,
    size: Literal[3, 4] = 3,
    *,
    n_nulls: int = 0,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return how often each directed motif occurs, and how that compares with chance.

    Which small circuits there are more of than the same degrees and layers give by chance: a z
    above about 2 is a motif, one below -2 is avoided.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Which edges there are, whatever their weights. As all edges of a dense layer are there,
        it is of the strong ones that motifs tell something: ``build_graph(net,
        threshold=...)``.
    size : {3, 4}, default 3
        How many nodes a motif has.
    n_nulls : int, default 0
        Compare with so many randomly wired networks of the same degrees in every block, at
        least 2; 0 counts only.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse what would take longer, by a bound on the subgraphs from the degrees.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    pandas.DataFrame
        A row a motif that occurs in the network or a null, the frequent first: ``motif`` (its
        name), ``edges``, ``n_edges``, ``count``; with nulls also ``null_mean``, ``null_std``
        (ddof 1), ``z`` = (count - null_mean)/null_std, and ``p``. ``z`` is NaN where all nulls
        have the same count, as where degrees decide it.

    Raises
    ------
    UndefinedMeasureError
        If degrees decide all counts, as they do for three nodes in a network of layers without
        skips: take ``size=4``. Or if no two edges can be swapped.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    Subgraphs are induced and connected; parallel edges are one, loops none. Counted in igraph by
    ESU, in O(number of subgraphs): about n k²/2 of three and 2 n k³/3 of four nodes, with n
    nodes of k edges. Three nodes without edges in both directions are counted by degrees and
    one sparse product: with T = Σ (A² ∘ A) feed-forward loops and C = Σ (A² ∘ Aᵀ)/3 cycles,
    there are Σ k_out (k_out - 1)/2 - T V-out, Σ k_in (k_in - 1)/2 - T V-in and Σ k_in k_out - T -
    3 C chains. Nulls are made by swapping edges within blocks (see `Wiring.rewired`), so
    that each has the layers of the network: against nulls that do not, layers themselves would
    look like motifs. ``p`` is (b + 1)/(n_nulls + 1), with b how many nulls are as far as the
    network from the mean of them all.

    Zambra et al. leave out weights close to the mean of a normal distribution fitted to all, and
    tell negative, mild and positive edges apart, as colors. Edges have no color here: to look
    at positive ones alone, pass ``graph.keep_edges(graph.adjacency.data >= threshold)``.

    References
    ----------
    .. [1] R. Milo et al., "Network motifs: simple building blocks of complex networks", Science
       298 (2002).
    .. [2] M. Zambra, A. Maritan, A. Testolin, "Emergence of network motifs in deep neural
       networks", Entropy 22 (2020) 204.
    .. [3] S. Wernicke, "Efficient detection of network motifs", IEEE/ACM TCBB 3 (2006).

    Examples
    --------
    >>> import cntgraph as cg
    >>> motifs(cg.toy("residual"))[["motif", "count"]]
       motif  count
    0  chain    100
    1  V-out     90
    2   V-in     80
    """
    if size not in (3, 4):
        raise CntGraphError(f"expected motifs of size 3 or 4, got size={size!r}")
    if n_nulls < 0 or n_nulls == 1:
        raise CntGraphError(f"expected n_nulls to be 0, or at least 2; got {n_nulls}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    wiring = Wiring.of(graph)
    work = _work(wiring, size) * (n_nulls + 1)
    check_operations(
        "motifs", work, max_operations, "pass a smaller n_nulls= or size=3", show=show_progress
    )
    counts, random = _counts(wiring, size), np.random.default_rng(rng)
    nulls = np.array(
        [
            _counts(wiring.rewired(random, noun="the z-score of motifs"), size)
            for _ in progress(range(n_nulls), "rewired networks", show=show_progress)
        ]
    ).reshape(n_nulls, len(counts))
    table = _table(size, counts, nulls)
    if n_nulls and len(table) and not (table["null_std"] > 0).any():
        instead = (
            "there are no triangles. Pass size=4" if size == 3
            else "nearly all edges that there can be are there. Pass fewer (cg.keep_top_edges, "
            "a threshold or a backbone)"
        )  # fmt: skip
        raise UndefinedMeasureError(
            f"degrees alone decide how often motifs of {size} nodes occur in this network, and "
            f"its nulls have the same: {instead}, or n_nulls=0 to count"
        )
    return table


def operations(n_nodes: int, n_edges: int, size: int = 3) -> float:
    """Return about how many elementary operations one count takes, all degrees being alike.

    Examples
    --------
    >>> operations(1000, 20_000), operations(1000, 20_000, size=4)
    (4000000.0, 12800000000.0)
    """
    k = n_edges / max(n_nodes, 1)
    if size == 3:
        return _A_STEP * n_nodes * k**2
    return round(_A_SUBGRAPH * n_nodes * 2 * (2 * k) ** 3 / 3, 1)


def _work(wiring: Wiring, size: int) -> float:
    """Return a bound on the elementary operations of one count, from the degrees."""
    ends = wiring.source, wiring.target
    out, into = (np.bincount(x, minlength=wiring.n_nodes).astype(np.float64) for x in ends)
    k = out + into
    if size == 3 and not wiring.has_mutual_edges():
        return _A_STEP * float((into * out).sum())
    if size == 3:
        return _A_SUBGRAPH * float((k * (k - 1)).sum() / 2)
    stars = (k * (k - 1) * (k - 2)).sum() / 6
    return _A_SUBGRAPH * float(stars + ((k[ends[0]] - 1) * (k[ends[1]] - 1)).sum())


def _counts(wiring: Wiring, size: int) -> Values:
    """Return how often each class of igraph occurs; 0 for those that are not connected."""
    if not wiring.n_edges:
        return np.zeros(_CLASSES[size])
    if size == 3 and not wiring.has_mutual_edges():
        return _triads(wiring.matrix())
    found = directed_igraph(wiring.matrix()).motifs_randesu(size)
    return np.nan_to_num(np.array(found, np.float64))


def _triads(matrix: csr_array) -> Values:
    """Count the subgraphs of three nodes of a graph without edges in both directions."""
    back = matrix.T.tocsr()
    out, into = np.diff(matrix.indptr).astype(np.float64), np.diff(back.indptr).astype(np.float64)
    loops = cycles = 0.0
    for rows in row_parts(matrix, matrix):
        paths = matrix[rows] @ matrix
        loops += float(paths.multiply(matrix[rows]).sum())
        cycles += float(paths.multiply(back[rows]).sum()) / 3
    found = {
        "V-out": (out * (out - 1)).sum() / 2 - loops,
        "V-in": (into * (into - 1)).sum() / 2 - loops,
        "chain": (into * out).sum() - loops - 3 * cycles,
        "feed-forward loop": loops,
        "cycle": cycles,
    }
    counts = np.zeros(_CLASSES[3])
    for isoclass, name in motif_names(3).items():
        counts[isoclass] = round(found.get(name, 0.0))
    return counts


def _table(size: int, counts: Values, nulls: Values) -> pd.DataFrame:
    import pandas as pd

    names = motif_names(size)
    found = np.flatnonzero((counts > 0) | (nulls > 0).any(axis=0))
    found = found[np.argsort(-counts[found], kind="stable")]
    wirings = [motif_edges(size, int(k)) for k in found]
    columns: dict[str, Any] = {
        "motif": [names.get(int(k), f"class {k}") for k in found],
        "edges": wirings,
        "n_edges": np.array([text.count("→") for text in wirings], np.int64),
        "count": counts[found].astype(np.int64),
    }
    if len(nulls):
        columns |= null_scores(counts[found], nulls[:, found])
    return pd.DataFrame(columns)


def null_scores(value: Values, nulls: Values) -> dict[str, Values]:
    """Return how far values are from those of nulls.

    Parameters
    ----------
    value : ndarray of float64, shape (n,)
    nulls : ndarray of float64, shape (n_nulls, n)

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        ``null_mean``, ``null_std`` (ddof 1), ``z`` (NaN where the nulls do not vary), ``p``.

    Examples
    --------
    >>> null_scores(np.array([4.0]), np.array([[1.0], [2.0], [3.0]]))["z"]
    array([2.])
    """
    mean, std = nulls.mean(axis=0), nulls.std(axis=0, ddof=1)
    rounding = 1e-11 * np.maximum(np.abs(nulls).max(axis=0), np.abs(value))
    std = np.where(std <= rounding, 0.0, std)
    # About the mean of all, the network and its nulls are treated alike: p is exact.
    center = (mean * len(nulls) + value) / (len(nulls) + 1)
    reached = (np.abs(nulls - center) >= np.abs(value - center) - rounding).sum(axis=0)
    z = np.divide(value - mean, std, out=np.full_like(value, np.nan), where=std > 0)
    return {"null_mean": mean, "null_std": std, "z": z, "p": (reached + 1) / (len(nulls) + 1)}
