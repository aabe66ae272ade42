"""Spectral clustering of the nodes: clusters that little weight leads out of, and their n-cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.explicit.engine import MAX_OPERATIONS, check_operations, symmetric
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph, magnitude_matrix
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from cntgraph.measures.explicit.engine import Seed


#: Nodes up to which all eigenvectors are computed at once, which is faster then.
_DENSE = 1000
#: Starts of k-means, the best of which is taken.
_STARTS = 10


@dataclass(frozen=True, eq=False)
class SpectralClustering:
    """Clusters of the nodes, and how much weight leads out of them.

    Parameters
    ----------
    partition : ndarray of int64, shape (n_nodes,)
        The cluster of every node, counted from 0; -1 for a node without weight. Where there is
        none, `cntgraph.n_cut` of it is the same number, without unrolling.
    n_cut : float
        The normalized cut, between 0 and the number of clusters.
    n_clusters : int
        How many clusters there are.
    eigenvalues : ndarray of float64, shape (n_clusters,)
        The smallest ones of the normalized Laplacian, ascending. Their sum is the least that
        any n-cut into so many clusters can be.
    """

    partition: NDArray[np.int64]
    n_cut: float
    n_clusters: int
    eigenvalues: Values = field(repr=False)


@takes(Network, Graph)
def spectral_clustering(
    net_or_graph: Network | Graph,
    *,
    n_clusters: int = 12,
    sign: Sign | None = None,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
    max_operations: float = MAX_OPERATIONS,
) -> SpectralClustering | Split[SpectralClustering]:
    """Return clusters of nodes of small normalized cut.

    Whether the network comes apart where little weight is cut: an n-cut near 0 says that clusters
    hardly touch, near their number that most weight leads out of them.

    Parameters
    ----------
    net_or_graph : Network or Graph
    n_clusters : int, default 12
        How many clusters, as in the paper.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights; needed if there are any. The paper: ``"absolute"``.
    rng : int or numpy.random.Generator, default 0
        Where k-means starts, or its seed. The same one gives the same clusters.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.
    max_operations : float, default 1e11
        Refuse, by `operations`, what would take longer.

    Returns
    -------
    SpectralClustering
        Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If some weights are negative and there is no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If fewer nodes than clusters have an edge with a weight.
    GraphSizeError
        If it would take too long.

    Notes
    -----
    On the undirected graph S = A + Aᵀ of weight magnitudes, with k = S·1 and D = diag(k): the
    rows of the first n_clusters eigenvectors of D⁻¹(D - S), which are D^(-1/2) times those of
    the symmetric I - D^(-1/2) S D^(-1/2), are clustered by k-means. The n-cut of clusters C is

        Σ_C cut(C, rest)/vol(C),   cut = Σ S_ij over i in C, j outside,   vol = Σ k_i over i in C

    and Σ of the eigenvalues bounds it from below. Nodes without weight are left out, as in the
    paper. Lanczos iterations in scipy: some hundred products with S, O(n_edges) each.

    References
    ----------
    .. [1] D. Filan, S. Casper, S. Hod, C. Wild, A. Critch, S. Russell, "Clusterability in Neural
       Networks", arXiv:2103.03386 (2021), section 2.
    .. [2] J. Shi, J. Malik, "Normalized cuts and image segmentation", IEEE PAMI 22 (2000).

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = spectral_clustering(cg.toy("mlp"), n_clusters=3, sign="absolute")
    >>> found.n_clusters, bool(found.eigenvalues.sum() <= found.n_cut <= 3)
    (3, True)
    """
    if n_clusters < 2:
        raise CntGraphError(f"expected at least 2 clusters, got n_clusters={n_clusters}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    work = operations(graph.n_nodes, graph.n_edges)
    check_operations("spectral_clustering", work, max_operations, "choose layers")

    def measure(transform: Transform) -> SpectralClustering:
        return clustered(symmetric(magnitude_matrix(graph, transform)), n_clusters, rng)

    return by_sign(graph, sign, measure, noun="spectral_clustering")


def clustered(matrix: csr_array, n_clusters: int, rng: Seed = 0) -> SpectralClustering:
    """Return clusters of the nodes of an undirected graph.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Symmetric, weights ≥ 0.
    n_clusters : int
    rng : int or numpy.random.Generator, default 0

    Returns
    -------
    SpectralClustering

    Raises
    ------
    UndefinedMeasureError
        If fewer nodes than clusters have an edge with a weight.
    """
    strength = np.asarray(matrix.sum(axis=1)).reshape(-1)
    nodes = np.flatnonzero(strength > 0)
    if len(nodes) < n_clusters:
        raise UndefinedMeasureError(
            f"{n_clusters} clusters need as many nodes with a weight; there are {len(nodes)}: "
            "pass a smaller n_clusters="
        )
    values, places = _embedding(matrix[nodes][:, nodes], strength[nodes], n_clusters)
    labels = _k_means(places, n_clusters, np.random.default_rng(rng))
    partition = np.full(matrix.shape[0], -1, np.int64)
    partition[nodes] = np.unique(labels, return_inverse=True)[1]
    found = int(partition.max()) + 1
    return SpectralClustering(partition, _n_cut(matrix, partition), found, values)


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes: some thousand an edge.

    Examples
    --------
    >>> operations(1000, 20_000)
    21000000.0
    """
    return 1000.0 * (n_nodes + n_edges)


def _embedding(matrix: csr_array, strength: Values, k: int) -> tuple[Values, Values]:
    """Return the k smallest eigenvalues of the normalized Laplacian, and each node's place.

    Connected components are solved one by one: each has an eigenvalue of 0, and iterations from
    one start do not find the same eigenvalue twice.
    """
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.csgraph import connected_components

    root = diags_array(1.0 / np.sqrt(strength))
    normal = csr_array(root @ matrix @ root)
    n_parts, part = connected_components(normal, directed=False)
    order = np.argsort(part, kind="stable")
    sizes = np.bincount(part, minlength=n_parts)
    values, columns = [], []
    for nodes in np.split(order, np.cumsum(sizes)[:-1]):
        for value, vector in _largest(normal[nodes][:, nodes] if n_parts > 1 else normal, k):
            values.append(value)
            columns.append((nodes, vector))
    chosen = np.argsort(-np.array(values), kind="stable")[:k]
    vectors = np.zeros((len(strength), k))
    for column, which in enumerate(chosen):
        nodes, vector = columns[which]
        vectors[nodes, column] = vector
    found = np.clip(1.0 - np.array(values)[chosen], 0.0, None)
    return found, root @ vectors


def _largest(matrix: csr_array, k: int) -> list[tuple[float, Values]]:
    """Return the k largest eigenvalues, descending, with their vectors; fewer of a small matrix."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh
    from threadpoolctl import threadpool_limits

    n = matrix.shape[0]
    k = min(k, n)
    # Thousands of products of a few short vectors: threads wait for each other more than they work.
    with threadpool_limits(1, "blas"):
        if n <= max(_DENSE, 2 * k):
            values, vectors = eigh(matrix.toarray(), subset_by_index=[n - k, n - 1])
        else:
            # v0 is fixed, and no eigenvector in particular: the same numbers in every run.
            start = np.random.default_rng(0).uniform(0.5, 1.5, n)
            values, vectors = eigsh(matrix, k=k, which="LA", v0=start)
    vectors = _same_sign(vectors)
    return [(float(values[c]), vectors[:, c]) for c in np.argsort(-values)]


def _same_sign(vectors: Values) -> Values:
    """Turn each vector so that its largest entry is positive: LAPACK and ARPACK may choose."""
    largest = np.argmax(np.abs(vectors), axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    turned: Values = vectors * signs
    return turned


def _k_means(places: Values, k: int, rng: Any) -> NDArray[np.int64]:
    """Return the best of several runs of k-means."""
    from scipy.cluster.vq import kmeans, vq

    # The first eigenvector gives all nodes one place; rounding is no distance.
    places = np.round(places / np.abs(places).max(), 12)
    best, least = np.zeros(len(places), np.int64), np.inf
    for _ in range(_STARTS):
        centers, _ = kmeans(places, _starts(places, k, rng), thresh=1e-12)
        labels, distances = vq(places, centers)
        total = float((distances**2).sum())
        if total < least:
            best, least = labels.astype(np.int64), total
    return best


def _starts(places: Values, k: int, rng: Any) -> Values:
    """Draw k places, each as likely as it is far from those drawn before (k-means++)."""
    drawn = [int(rng.integers(len(places)))]
    nearest = ((places - places[drawn[0]]) ** 2).sum(axis=1)
    while len(drawn) < k:
        total = nearest.sum()
        weights = nearest / total if total > 0 else None  # all places are drawn already
        drawn.append(int(rng.choice(len(places), p=weights)))
        nearest = np.minimum(nearest, ((places - places[drawn[-1]]) ** 2).sum(axis=1))
    return places[drawn]


def _n_cut(matrix: csr_array, partition: NDArray[np.int64]) -> float:
    """Return Σ cut/vol over clusters; nodes in none (-1) have no weight."""
    edges = matrix.tocoo()
    n = int(partition.max()) + 1
    source, target = partition[edges.row], partition[edges.col]
    volume = np.bincount(source, weights=edges.data, minlength=n)
    inside = np.bincount(source, weights=edges.data * (source == target), minlength=n)
    return float(((volume - inside) / volume).sum())
