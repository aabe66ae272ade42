"""Communities: a partition of the nodes that is denser inside than by chance; modularity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.explicit.engine import (
    directed_igraph,
    seeded_igraph,
    symmetric,
    undirected_igraph,
)
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph, magnitude_matrix
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import igraph

    from cntgraph.measures.explicit.engine import Seed

Method = Literal["leiden", "louvain"]


@dataclass(frozen=True, eq=False)
class Communities:
    """A partition of the nodes.

    Parameters
    ----------
    partition : ndarray of int64, shape (n_nodes,)
        The community of every node, counted from 0, the largest first.
    modularity : float
        Its modularity at resolution 1.
    n_communities : int
        How many there are. A node without edges is one by itself.
    """

    partition: NDArray[np.int64]
    modularity: float
    n_communities: int


@takes(Network, Graph)
def communities(
    net_or_graph: Network | Graph,
    *,
    method: Method = "leiden",
    resolution: float = 1.0,
    sign: Sign | None = None,
    rng: Seed = 0,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> Communities | Split[Communities]:
    """Return a partition of the nodes of high modularity.

    Parts with more weight within them than chance would put there. A modularity of 0 is what chance
    gives, near 1 the parts hardly touch; convolutions, whose edges are local, have a high one
    whatever they have learned, so compare with `shuffle_weights`.

    Parameters
    ----------
    net_or_graph : Network or Graph
    method : {"leiden", "louvain"}, default "leiden"
        How it is looked for.
    resolution : float, default 1.0
        γ: the greater, the more and the smaller communities.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What to take of negative weights; needed if there are any.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed. The same one gives the same partition.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    max_edges : int, default 5 million
        Refuse to unroll a network with more edges.

    Returns
    -------
    Communities
        Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    SignedWeightError
        If some weights are negative and there is no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If all weights are zero, or there are no edges.
    GraphSizeError
        If a network has more than `max_edges` edges.

    Notes
    -----
    On the undirected graph S = A + Aᵀ of weight magnitudes, with k = S·1 and 2m = Σk, the
    partition c maximizes, as far as the method gets,

        Q = 1/2m · Σ_ij (S_ij - γ k_i k_j / 2m) [c_i = c_j]

    Leiden runs in igraph until no node moves; near O(n_edges) a round. A community tends to
    span layers: there are no edges within one.

    References
    ----------
    .. [1] V. A. Traag, L. Waltman, N. J. van Eck, "From Louvain to Leiden", Sci. Rep. 9 (2019).
    .. [2] M. E. J. Newman, M. Girvan, "Finding and evaluating community structure in networks",
       Phys. Rev. E 69 (2004).
    .. [3] J. Reichardt, S. Bornholdt, "Statistical mechanics of community detection", Phys. Rev.
       E 74 (2006), for the resolution.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = communities(cg.toy("mlp"), sign="absolute")
    >>> found.n_communities, round(found.modularity, 2)
    (4, 0.17)
    """
    if method not in get_args(Method):
        raise CntGraphError(f"expected method to be 'leiden' or 'louvain', got {method!r}")
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)

    def measure(transform: Transform) -> Communities:
        matrix = symmetric(magnitude_matrix(graph, transform))
        undirected, weights = undirected_igraph(matrix)
        _check_total(float(weights.sum()), "communities")
        with seeded_igraph(rng):
            found = _found(undirected, weights.tolist(), method, resolution)
        partition = _by_size(np.array(found, dtype=np.int64))
        quality = undirected.modularity(partition.tolist(), weights=weights.tolist())
        return Communities(partition, float(quality), int(partition.max()) + 1)

    return by_sign(graph, sign, measure, noun="communities")


@takes(Network, Graph)
def modularity(
    net_or_graph: Network | Graph,
    partition: NDArray[np.integer],
    *,
    directed: bool = True,
    resolution: float = 1.0,
    sign: Sign | None = None,
    edges: Edges = "all",
    max_edges: int = MAX_EDGES,
) -> float | Split[float]:
    """Return how much more weight is within the parts of a partition than by chance.

    Near 1, nearly all weight stays within the parts; 0, no more than by chance; below 0, it leads
    out of them.

    Parameters
    ----------
    net_or_graph : Network or Graph
    partition : ndarray of int, shape (n_nodes,)
        The community of every node; any integers.
    directed : bool, default True
        Compare with what a node's out-strength and the other's in-strength let expect; or, if
        False, on the undirected graph A + Aᵀ, as `communities` does.
    resolution : float, default 1.0
        γ, the weight of what is expected.
    sign, edges, max_edges
        As in `communities`.

    Returns
    -------
    float
        At most 1; 0 if all nodes are in one community. Or a `Split` of two for ``sign="split"``.

    Raises
    ------
    CntGraphError
        If there is not one integer per node.
    SignedWeightError, NonFiniteWeightError, UndefinedMeasureError, GraphSizeError
        As `communities`.

    Notes
    -----
    With W the total weight,

        Q = 1/W · Σ_ij (A_ij - γ s_i^out s_j^in / W) [c_i = c_j]

    and undirected as in `communities`. In igraph, O(n_edges).

    References
    ----------
    .. [1] E. A. Leicht, M. E. J. Newman, "Community structure in directed networks", Phys. Rev.
       Lett. 100 (2008), eq. 3.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> by_layer = np.repeat(np.arange(net.n_layers), [layer.n_nodes for layer in net.layers])
    >>> round(modularity(net, by_layer, sign="absolute"), 3)
    -0.243
    """
    graph = explicit_graph(net_or_graph, edges=edges, max_edges=max_edges)
    labels = check_partition(partition, graph.n_nodes)
    membership = np.unique(labels, return_inverse=True)[1].tolist()

    def measure(transform: Transform) -> float:
        matrix = magnitude_matrix(graph, transform)
        if directed:
            made, weights = directed_igraph(matrix), matrix.data
        else:
            made, weights = undirected_igraph(symmetric(matrix))
        _check_total(float(weights.sum()), "modularity")
        options = {"resolution": resolution, "directed": directed}
        return float(made.modularity(membership, weights=weights.tolist(), **options))

    return by_sign(graph, sign, measure, noun="modularity")


def check_partition(partition: NDArray[np.integer], n_nodes: int) -> NDArray[np.integer]:
    """Return a partition, having made sure that it has one integer per node.

    Raises
    ------
    CntGraphError

    Examples
    --------
    >>> check_partition([0, 0, 1], 3)
    array([0, 0, 1])
    """
    labels = np.asarray(partition)
    if labels.shape != (n_nodes,) or not np.issubdtype(labels.dtype, np.integer):
        raise CntGraphError(
            f"expected a partition of one integer per node, shape ({n_nodes},); "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return labels


def operations(n_nodes: int, n_edges: int) -> float:
    """Return about how many elementary operations it takes: some hundred an edge.

    Examples
    --------
    >>> operations(1000, 20_000)
    2100000.0
    """
    return 100.0 * (n_nodes + n_edges)


def _found(
    graph: igraph.Graph, weights: list[float], method: Method, resolution: float
) -> list[int]:
    if method == "louvain":
        return list(graph.community_multilevel(weights=weights, resolution=resolution).membership)
    # Said as a Potts model of strengths, which is the same: the objective "modularity" of igraph
    # leaves loops out of the strengths, and looks for something else where there are any.
    strength = graph.strength(weights=weights, loops=True)
    found = graph.community_leiden(
        objective_function="CPM",
        weights=weights,
        node_weights=strength,
        resolution=resolution / sum(strength),
        n_iterations=-1,
    )
    return list(found.membership)


def _by_size(membership: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber communities from the largest; of those of one size, by their first node."""
    _, first, labels, sizes = np.unique(
        membership, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[labels]


def _check_total(total: float, noun: str) -> None:
    if total <= 0:
        raise UndefinedMeasureError(
            f"{noun} compares weights with their total, which is 0: there are no edges, or none "
            "with a weight under this sign="
        )
