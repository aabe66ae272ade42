"""Eigenvector centrality: important is what important nodes point to."""

from __future__ import annotations

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign, Split, by_sign
from cntgraph.measures.matrix_free.loops import loops_of, perron_vector
from cntgraph.measures.matrix_free.operator import AdjacencyOperator, adjacency_operator
from cntgraph.measures.matrix_free.sweep import walk_sums
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def eigenvector_centrality(
    net_or_graph: Network | Graph,
    *,
    sign: Sign | None = None,
    edges: Edges = "all",
    tol: float = 1e-12,
    max_iter: int = 10_000,
) -> Values | Split[Values]:
    """Return the eigenvector centrality of every node of a network with loops.

    Large for nodes that central nodes lead to: those at which the strongest loops of the network
    run together.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What is taken of negative weights.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    tol : float, default 1e-12
        Round weaker loops behind the strongest: the relative change by a step at which to stop.
    max_iter : int, default 10,000
        The number of those steps.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        In node order, of Euclidean length one. A `Split` of two for ``sign="split"``.

    Raises
    ------
    UndefinedMeasureError
        If the network is feed-forward: all eigenvalues are zero, and no node is more central
        than another in this sense; or if two loops are equally strong.
    SignedWeightError
        If there are negative weights and no `sign`.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    ConvergenceError

    Notes
    -----
    It follows edges into a node, as networkx's does: Aᵀx = λx with the largest eigenvalue λ. On
    the strongest loop x is the Perron vector of its matrix; a node that leads to the loop has
    0, for it receives nothing from it; and nodes behind the loop have what they receive,
    x = Aᵀx / λ. That is what a power iteration comes to.

    References
    ----------
    .. [1] Bonacich, "Power and centrality: a family of measures", American Journal of Sociology
       92(5), 1987.

    Examples
    --------
    >>> import cntgraph as cg
    >>> eigenvector_centrality(cg.toy("mlp"), sign="absolute")
    Traceback (most recent call last):
    cntgraph.core.errors.UndefinedMeasureError: eigenvector centrality is not defined ...
    """

    def measure(transform: Transform) -> Values:
        operator = adjacency_operator(
            net_or_graph, transform=transform, edges=edges, magnitude=True
        )
        value, own, nodes = _strongest_loop(operator)
        start = np.zeros(operator.n_nodes)
        start[nodes] = own
        behind = operator.rmatvec(start) / value
        behind[nodes] = 0.0
        scale = np.full(operator.n_nodes, 1.0 / value)
        scale[nodes] = 0.0  # what the loop sends is in `behind` already
        found = walk_sums(
            operator, behind, scale, tol=tol, max_iter=max_iter, noun=_NOUN,
            advice="another loop is nearly as strong; raise max_iter or use katz_centrality",
        )  # fmt: skip
        found[nodes] = own
        found /= np.linalg.norm(found)
        return found

    return by_sign(net_or_graph, sign, measure, edges=edges, noun=_NOUN)


_NOUN = "eigenvector centrality"


def _strongest_loop(operator: AdjacencyOperator) -> tuple[float, Values, np.ndarray]:
    found = [(*perron_vector(loop, _NOUN), loop.nodes) for loop in loops_of(operator)]
    found.sort(key=lambda loop: -loop[0])
    if not found or found[0][0] <= 0:
        raise UndefinedMeasureError(
            "eigenvector centrality is not defined for a network without loops: every eigenvalue "
            "of a feed-forward adjacency matrix is zero. Use cntgraph.katz_centrality, which "
            "gives each node something of its own, cntgraph.pagerank or cntgraph.hits"
        )
    if len(found) > 1 and found[1][0] >= found[0][0] * (1 - 1e-9):
        raise UndefinedMeasureError(
            "eigenvector centrality is not unique: two loops of the network are equally strong. "
            "Use cntgraph.katz_centrality or cntgraph.pagerank"
        )
    return found[0]
