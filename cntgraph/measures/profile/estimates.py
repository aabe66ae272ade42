"""About how many seconds measures take on one core, from the size of the network.

`benchmarks/profile_estimates.py` holds the estimates against what the measures take.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from cntgraph.measures.profile.measure import Size

Estimate = Callable[[Size], float]

#: What a measure takes of the smallest network, in seconds.
CALL = 5e-3


def passes(nanoseconds: float) -> Estimate:
    """Return the estimate for sums over weights: so much a weight, and a node to write.

    Examples
    --------
    >>> round(passes(4)(Size(n_nodes=10**6, n_edges=10**9, n_weights=10**7)), 3)
    0.049
    """
    return lambda size: CALL + 1e-9 * nanoseconds * (size.n_weights + size.n_nodes)


def products(n: int) -> Estimate:
    """Return the estimate for `n` products of the adjacency matrix with a vector.

    Examples
    --------
    >>> round(products(2)(Size(n_nodes=10**6, n_edges=10**9, n_weights=10**7)), 2)
    0.48
    """

    def seconds(size: Size) -> float:
        once = 2e-10 * size.n_edges + 2e-9 * size.n_weights + 2e-8 * size.n_nodes
        return CALL + n * once

    return seconds


def decompositions(n: int) -> Estimate:
    """Return the estimate for `n` decompositions of every weight, as if all were one square."""
    return lambda size: CALL + 2e-10 * n * size.n_weights**1.5


def operations(module: ModuleType, nanoseconds: float) -> Estimate:
    """Return the estimate for a measure whose module says how many operations it takes."""

    def seconds(size: Size) -> float:
        return CALL + float(1e-9 * nanoseconds * module.operations(size.n_nodes, size.n_edges))

    return seconds
