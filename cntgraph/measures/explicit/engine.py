"""The bridge from a simple CSR matrix to igraph: topology and weights, from arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import GraphSizeError
from cntgraph.core.progress import say
from cntgraph.graph.conversions.igraph import igraph_of_pairs
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of

if TYPE_CHECKING:  # NumPy imports its random numbers when they are asked for
    import igraph
    from scipy.sparse import csr_array

    Seed: TypeAlias = int | np.random.Generator | None

#: Elementary operations that a measure does without being asked: minutes on one core.
MAX_OPERATIONS = 1e11
#: More of them are said before they begin.
_MANY = 1e9
_A_SECOND = "1e7 to 1e9 in a second"

#: igraph has one generator of random numbers for all threads.
_GENERATOR = threading.Lock()


def topology(graph: Graph, *, loops: bool = True) -> csr_array:
    """Return which pairs of nodes are connected: 1 for every pair, however many edges it has.

    Parameters
    ----------
    graph : Graph
    loops : bool, default True
        Whether edges from a node to itself stay.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (n_nodes, n_nodes)

    Examples
    --------
    >>> import cntgraph as cg
    >>> topology(cg.build_graph(cg.toy("residual"))).nnz
    45
    """
    old = graph.adjacency
    matrix = csr_of(np.ones(old.nnz), old.indices.copy(), old.indptr.copy(), old.shape)
    if not loops:
        matrix = without_loops(matrix)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def without_loops(matrix: csr_array) -> csr_array:
    """Return a matrix without its diagonal; stored zeros elsewhere stay."""
    from scipy.sparse import coo_array, csr_array

    edges = matrix.tocoo()
    kept = edges.row != edges.col
    places = (edges.row[kept], edges.col[kept])
    return csr_array(coo_array((edges.data[kept], places), shape=matrix.shape))


def symmetric(matrix: csr_array) -> csr_array:
    """Return A + Aᵀ: weights between two nodes in both directions together, loops twice."""
    from scipy.sparse import csr_array

    return csr_array(matrix + matrix.T)


def undirected_topology(graph: Graph) -> csr_array:
    """Return which pairs of nodes are connected in either direction, without loops."""
    matrix = symmetric(topology(graph, loops=False))
    matrix.data[:] = 1.0
    return matrix


def directed_igraph(matrix: csr_array) -> igraph.Graph:
    """Return the directed igraph of a matrix; its edges are in the order of ``matrix.data``.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Its values are not handed over: igraph's measures take weights as an argument.

    Returns
    -------
    igraph.Graph

    Examples
    --------
    >>> import cntgraph as cg
    >>> directed_igraph(topology(cg.build_graph(cg.toy("mlp")))).ecount()
    88
    """
    edges = matrix.tocoo()
    return igraph_of_pairs(matrix.shape[0], edges.row, edges.col)


def undirected_igraph(matrix: csr_array) -> tuple[igraph.Graph, NDArray[np.float64]]:
    """Return the undirected igraph of a symmetric matrix, and the weights of its edges.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Symmetric. Its diagonal counts loops twice, as `symmetric` does; igraph does so itself
        and gets half of it.

    Returns
    -------
    igraph.Graph
    ndarray of float64, shape (number of undirected edges,)
    """
    from scipy.sparse import triu

    upper = triu(matrix, format="coo")
    weights = np.where(upper.row == upper.col, upper.data / 2, upper.data)
    made = igraph_of_pairs(matrix.shape[0], upper.row, upper.col, directed=False)
    return made, weights


@contextmanager
def seeded_igraph(rng: Seed) -> Iterator[None]:
    """Let igraph draw from a generator of our own, and give its default back after.

    igraph draws from Python's global `random` unless told otherwise; that stays untouched. A
    generator that a caller gave to igraph before is not known to us, and not given back.

    Parameters
    ----------
    rng : int, numpy.random.Generator or None
    """
    import random

    import igraph

    seed = int(np.random.default_rng(rng).integers(2**63))
    with _GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)


def check_operations(
    noun: str, operations: float, limit: float, advice: str, *, show: bool = True
) -> None:
    """Raise if a measure would take more elementary operations than it may; say how many are many.

    Parameters
    ----------
    noun : str
        The measure's name.
    operations, limit : float
        What it takes, and what it may take.
    advice : str
        What to do instead, as the end of a sentence.
    show : bool, default True
        Whether to say on a terminal, before they begin, how many there are, if that may take long.

    Raises
    ------
    GraphSizeError

    Examples
    --------
    >>> check_operations("betweenness", 1e15, 1e11, "sample sources with n_samples=")
    Traceback (most recent call last):
    cntgraph.core.errors.GraphSizeError: betweenness would take about 1e+15 elementary ...
    """
    if operations > limit:
        raise GraphSizeError(
            f"{noun} would take about {operations:.2g} elementary operations; the limit is "
            f"max_operations={limit:.2g}, and a core does {_A_SECOND}. Either {advice}; "
            "or keep fewer edges (a threshold, a backbone), or measure a coarser graph "
            "(cntgraph.coarsen to channels), or raise max_operations"
        )
    if operations > _MANY:
        say(
            f"{noun}: up to {operations:.2g} elementary operations; a core does {_A_SECOND}",
            show=show,
        )
