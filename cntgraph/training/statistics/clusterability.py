"""Clusterability: whether a network falls into clusters more than its weights in other places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.signs import Sign, Split
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations
from cntgraph.measures.explicit.graph import MAX_EDGES
from cntgraph.measures.explicit.spectral_clustering import SpectralClustering, spectral_clustering
from cntgraph.measures.explicit.spectral_clustering import operations as clustering_operations
from cntgraph.network.network import Edges, Network
from cntgraph.training.statistics.randomized import shuffle_weights

if TYPE_CHECKING:
    from cntgraph.training.statistics.randomized import Seed


@dataclass(frozen=True, eq=False)
class Clusterability:
    """The n-cut of a network, against those of networks with its weights shuffled.

    Parameters
    ----------
    n_cut : float
        Of the clusters found; smaller is more clusterable.
    null_mean, null_std : float
        Mean and standard deviation (ddof 1) of the shuffled networks' n-cuts.
    z : float
        (n_cut - null_mean) / null_std; negative where the network is more clusterable than
        chance. NaN if all shuffled networks have the same n-cut.
    p : float
        (b + 1)/(n_nulls + 1), with b how many shuffled networks have an n-cut as small.
    partition : ndarray of int64, shape (n_nodes,)
        The clusters of the network.
    null : ndarray of float64, shape (n_nulls,)
        The shuffled networks' n-cuts.
    """

    n_cut: float
    null_mean: float
    null_std: float
    z: float
    p: float
    partition: NDArray[np.int64] = field(repr=False)
    null: Values = field(repr=False)


@takes(Network)
def clusterability(
    net: Network,
    *,
    n_clusters: int = 12,
    sign: Sign | None = None,
    n_nulls: int = 50,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
    show_progress: bool = True,
) -> Clusterability | Split[Clusterability]:
    """Return how much better a network falls into clusters than with its weights shuffled.

    A z far below 0 says that where the weights lie makes clusters; about 0, architecture and
    distribution of the weights explain them.

    Parameters
    ----------
    net : Network
        A network, not a graph: weights are shuffled where they are stored, so that a
        convolution's positions share them as before.
    n_clusters : int, default 12
        How many clusters, as in the paper.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights; needed if there are any. The paper: ``"absolute"``.
    n_nulls : int, default 50
        How many shuffled networks, at least 2.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges, max_operations
        As in `spectral_clustering`; the latter for all shuffled networks together.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    Clusterability
        Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    CntGraphError
        If there are fewer than two shuffled networks, or no stored weights to shuffle.
    SignedWeightError, NonFiniteWeightError, UndefinedMeasureError, GraphSizeError
        As `spectral_clustering`.

    Notes
    -----
    Every null is `shuffle_weights` of the network: each weight tensor in a random order, which
    keeps the distribution of every layer's weights. The paper calls a network clusterable
    relative to its weights where the n-cut is lower than that of such networks. Time and
    memory: n_nulls + 1 times that of `spectral_clustering`, one network at a time.

    References
    ----------
    .. [1] D. Filan, S. Casper, S. Hod, C. Wild, A. Critch, S. Russell, "Clusterability in Neural
       Networks", arXiv:2103.03386 (2021).

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = clusterability(cg.toy("mlp"), n_clusters=3, sign="absolute", n_nulls=10)
    >>> len(found.null), bool(0 < found.p <= 1)
    (10, True)
    """
    if n_nulls < 2:
        raise CntGraphError(f"expected at least 2 shuffled networks, got n_nulls={n_nulls}")
    work = clustering_operations(net.n_nodes, net.n_edges) * (n_nulls + 1)
    advice = "pass a smaller n_nulls="
    check_operations("clusterability", work, max_operations, advice, show=show_progress)
    options = {"n_clusters": n_clusters, "edges": edges, "max_edges": max_edges}
    random = np.random.default_rng(rng)

    def measured(network: Network) -> list[SpectralClustering]:
        found = spectral_clustering(network, sign=sign, rng=random, **options)  # type: ignore[arg-type]
        return list(found) if isinstance(found, Split) else [found]

    own = measured(net)
    draws = progress(range(n_nulls), "shuffled networks", show=show_progress)
    nulls = np.array([[x.n_cut for x in measured(shuffle_weights(net, random))] for _ in draws])
    scored = [_scored(found, nulls[:, k]) for k, found in enumerate(own)]
    return Split(*scored) if sign == "split" else scored[0]


def _scored(own: SpectralClustering, null: Values) -> Clusterability:
    mean, std = float(null.mean()), float(null.std(ddof=1))
    # What differs by rounding only does not differ.
    rounding = 1e-11 * max(abs(own.n_cut), float(np.abs(null).max()))
    z = (own.n_cut - mean) / std if std > rounding else float("nan")
    reached = int((null <= own.n_cut + rounding).sum())
    p = (reached + 1) / (len(null) + 1)
    return Clusterability(own.n_cut, mean, std, z, p, own.partition, null)
