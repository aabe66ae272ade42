"""Singular values: how much a block, or the whole, can stretch what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, ConvergenceError, UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.explicit.graph import explicit_graph
from cntgraph.measures.matrix_free.operator import Operator, adjacency_operator
from cntgraph.measures.matrix_free.order import linked
from cntgraph.measures.matrix_free.places import layers_of_parts
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

Per = Literal["block", "network"]

#: Entries up to which a matrix is made dense, exact, and its smaller side where more may be.
_DENSE, _NARROW, _DENSE_NARROW = 1 << 20, 500, 1 << 24


@takes(Network, Graph)
def singular_values(
    net_or_graph: Network | Graph,
    k: int = 1,
    *,
    per: Per = "block",
    transform: Transform = "signed",
    edges: Edges = "all",
    tol: float = 1e-8,
    show_progress: bool = True,
) -> pd.DataFrame | pd.Series[float]:
    """Return the largest singular values of every block, or of the whole adjacency matrix.

    How much a block can stretch what it is given: the largest is its gain at worst. Many of about
    that size say that it hands on many directions, few that it hands on few.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    k : int, default 1
        How many.
    per : {"block", "network"}, default "block"
        Of each block's matrix, or of the whole.
    transform : str, default "signed"
        What is taken of every weight: they are defined for weights of any sign, so that there
        is no sign policy.
    edges : {"all", "parametric"}, default "all"
        Whether structural edges (pooling, identity) count.
    tol : float, default 1e-8
        Relative residual at which to stop; values are at least as exact, relatively.
    show_progress : bool, default True

    Returns
    -------
    DataFrame or Series of float64
        By block: one row per block, columns 1 … k, descending, NaN where a block has fewer. Of the
        whole: a series indexed 1 … k, shorter if there are fewer.

    Raises
    ------
    CntGraphError
        If k is less than one.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If the whole is asked for and has no edge.
    ConvergenceError

    Notes
    -----
    The first one is the operator norm (the Lipschitz constant) of a block: that of the
    *unrolled* convolution at its size, with its padding and stride, not that of the kernel
    reshaped to a matrix. It is found by products with the block and its transpose (Lanczos'
    method on the Gram matrix of the smaller side): tens of products, up to a thousand for a
    convolution over many positions, whose singular values lie close; memory of 20 values a
    node of that side. Small blocks are made dense. The singular values of the whole are those
    of its groups of layers taken together (see `hits`): for a feed-forward chain, those of its
    blocks.

    References
    ----------
    .. [1] Sedghi, Gupta, Long, "The singular values of convolutional layers", ICLR 2019,
       arXiv:1805.10408 (there for convolutions that wrap around).

    Examples
    --------
    >>> import cntgraph as cg
    >>> singular_values(cg.toy("cnn"), 2).round(3)
               1      2
    block
    conv1  3.344  2.863
    pool   2.000  2.000
    fc     2.705  1.995
    """
    import pandas as pd

    if per not in get_args(Per) or int(k) != k or k < 1:
        raise CntGraphError(
            f"expected per to be 'block' or 'network' and k an integer from 1 on; got {per!r}, {k}"
        )
    check_weights(net_or_graph, edges=edges, noun="a singular value")
    matrices = _blocks if per == "block" else _groups
    found = {}
    for name, matrix in progress(
        list(matrices(net_or_graph, transform, edges)), "singular values", show=show_progress
    ):
        found[name] = _largest(matrix, int(k), tol)
    if per == "block":
        columns = range(1, k + 1)
        rows = [np.pad(v, (0, k - len(v)), constant_values=np.nan) for v in found.values()]
        table = np.array(rows).reshape(len(rows), k)
        return pd.DataFrame(table, index=pd.Index(list(found), name="block"), columns=columns)
    if not any(len(v) for v in found.values()):
        raise UndefinedMeasureError("a matrix without edges has no singular values but zeros")
    together = np.sort(np.concatenate(list(found.values())))[::-1][:k]
    return pd.Series(together, index=range(1, len(together) + 1), name="singular_value")


def _blocks(
    net_or_graph: Network | Graph, transform: Transform, edges: Edges
) -> Iterator[tuple[str, Operator]]:
    """Yield the matrix of each block between the nodes at its ends."""
    if isinstance(net_or_graph, Network):
        whole = adjacency_operator(net_or_graph, transform=transform, edges=edges)
        for j, part in enumerate(whole.parts):
            yield part.name, whole.between([j])[0]
        return
    graph = explicit_graph(net_or_graph, edges=edges)
    for j, name in enumerate(graph.block_names):
        if edges == "parametric" and not graph.parametric[j]:
            continue
        one = adjacency_operator(graph.keep_edges(graph.edge_block == j), transform=transform)
        yield name, one.between(range(len(one.parts)))[0]


def _groups(
    net_or_graph: Network | Graph, transform: Transform, edges: Edges
) -> Iterator[tuple[int, Operator]]:
    whole = adjacency_operator(net_or_graph, transform=transform, edges=edges)
    for j, group in enumerate(linked(layers_of_parts(whole))):
        yield j, whole.between(group)[0]


def _largest(matrix: Operator, k: int, tol: float) -> Values:
    """Return the k largest singular values, descending; fewer if it has fewer."""
    rows, columns = matrix.shape
    small, size = min(rows, columns), rows * columns
    if not small or not matrix.n_edges:
        return np.zeros(0)
    if size <= _DENSE or small <= k + 1 or (small <= _NARROW and size <= _DENSE_NARROW):
        return np.asarray(np.linalg.svd(matrix.to_csr().toarray(), compute_uv=False)[:k])
    return _by_products(matrix, min(k, small), tol)


def _by_products(matrix: Operator, k: int, tol: float) -> Values:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    rows, columns = matrix.shape
    n = min(rows, columns)

    def gram(x: Any) -> Values:
        x = x.reshape(-1)
        if rows <= columns:
            return matrix.matvec(matrix.rmatvec(x))
        return matrix.rmatvec(matrix.matvec(x))

    check_memory(8 * (max(2 * k + 1, 20) + 5) * n, f"singular vectors of {n:,} nodes")
    operator = LinearOperator(shape=(n, n), dtype=np.dtype(np.float64), matvec=gram)
    start = np.random.default_rng(0).standard_normal(n)
    if not gram(start).any():  # all weights are zero
        return np.zeros(k)
    try:
        values = eigsh(operator, k, v0=start, tol=tol, return_eigenvectors=False)
    except ArpackNoConvergence as error:
        raise ConvergenceError("a singular value", 10 * n, np.nan, "raise tol") from error
    return np.sort(np.sqrt(np.maximum(values, 0.0)))[::-1]
