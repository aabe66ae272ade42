"""Path norm and path weight: the products of weights along all paths, added up."""

from __future__ import annotations

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.paths import PathSum, path_sum
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.network import Edges, Network


@takes(Network, Graph)
def path_norm(
    net_or_graph: Network | Graph,
    *,
    p: int = 2,
    bias: bool = False,
    edges: Edges = "all",
    show_progress: bool = True,
) -> PathSum:
    """Return the path norm: the p-norm of the products of weights along all paths.

    A capacity that stays the same when one layer is scaled up and the next one down, as networks of
    ReLUs allow. Large where there are paths all of whose weights are large; bounds of the
    generalization error grow with it.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    p : {1, 2}, default 2
        Which norm.
    bias : bool, default False
        Whether paths begin at biases, too, each an edge from a node of value one.
    edges : {"all", "parametric"}, default "all"
        Whether paths may use structural edges (pooling, identity).
    show_progress : bool, default True

    Returns
    -------
    PathSum
        ``total`` is the norm over all paths, ``by_output`` (n_output_nodes,) that over the
        paths to each output node; and their decimal logarithms.

    Raises
    ------
    CntGraphError
        If p is neither 1 nor 2.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If the network has loops, or its input or output is not known.

    Notes
    -----
        φ_p = (Σ over paths Π over edges |w|^p)^(1/p)

    One product of each block's |w|^p with a vector: O(n_edges) multiplications, O(n_nodes)
    memory. Signs do not matter to it, so there is no sign policy. A max pooling counts every
    candidate with weight 1, so φ bounds the norm over those at work; the batch norms of a
    trained network are in the weights (see ``norm="fold"``).

    References
    ----------
    .. [1] Neyshabur, Tomioka, Srebro, "Norm-based capacity control in neural networks", COLT
       2015, arXiv:1503.00036.
    .. [2] Neyshabur, Salakhutdinov, Srebro, "Path-SGD", NIPS 2015, arXiv:1506.02617.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> round(path_norm(net).total, 3), round(path_norm(net, p=1).total, 3)
    (2.04, 22.435)
    """
    if p not in (1, 2):
        raise CntGraphError(f"expected p to be 1 or 2, got {p!r}")
    transform: Transform = "absolute" if p == 1 else "square"
    found = path_sum(
        net_or_graph, transform, edges, noun="the path norm", bias=bias,
        show_progress=show_progress,
    )  # fmt: skip
    if p == 1:
        return found
    logs = found.log10_total / 2, found.log10_by_output / 2
    # From the logarithm where the square has no float.
    by_output = _roots(found.by_output, logs[1])
    total = _roots(np.array([found.total]), np.array([logs[0]]))
    return PathSum(float(total[0]), logs[0], by_output, logs[1])


def _roots(squares: Values, logs: Values) -> Values:
    with np.errstate(over="ignore"):
        fits = np.isfinite(squares) & ((squares > 1e-300) | ~np.isfinite(logs))
        return np.where(fits, np.sqrt(squares), 10.0**logs)


@takes(Network, Graph)
def path_weight(
    net_or_graph: Network | Graph,
    *,
    transform: Transform = "signed",
    bias: bool = False,
    edges: Edges = "all",
    show_progress: bool = True,
) -> PathSum:
    """Return the sum of the products of weights along all paths from input to output.

    What all paths together hand on, signs and all: about 0 where positive and negative paths
    cancel, far from it where one sign prevails.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is measured on its blocks, without unrolling it; both give the same numbers.
    transform : str, default "signed"
        What is taken of every weight: it is defined for weights of any sign, so that there is
        no sign policy.
    bias : bool, default False
        Whether paths begin at biases, too, each an edge from a node of value one.
    edges : {"all", "parametric"}, default "all"
        Whether paths may use structural edges (pooling, identity).
    show_progress : bool, default True

    Returns
    -------
    PathSum
        ``total``, ``by_output`` (n_output_nodes,), and the decimal logarithms of their sizes.

    Raises
    ------
    NonFiniteWeightError
        If a weight is NaN or infinite.
    UndefinedMeasureError
        If the network has loops, or its input or output is not known.

    Notes
    -----
    Σ over paths Π over edges w: what the network would answer to an input of ones if all of
    its activation functions were the identity. One product with each block, O(n_nodes) memory.

    Examples
    --------
    >>> import cntgraph as cg
    >>> path_weight(cg.toy("mlp")).by_output.round(3)
    array([ 0.916, -1.215])
    """
    return path_sum(
        net_or_graph, transform, edges, noun="the path weight", bias=bias,
        show_progress=show_progress,
    )  # fmt: skip
