"""Distances: the lengths of shortest paths, a few sources at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.progress import progress
from cntgraph.core.types import Values

if TYPE_CHECKING:
    from scipy.sparse import csr_array


#: Distances held at a time: 32 MiB.
_PART = 2**22


def distance_rows(
    lengths: csr_array,
    sources: NDArray[np.int64] | None = None,
    *,
    what: str = "distances",
    show: bool = False,
) -> Iterator[tuple[NDArray[np.int64], Values]]:
    """Yield the distances from some sources to all nodes, part by part.

    Parameters
    ----------
    lengths : scipy.sparse.csr_array of float64, shape (n_nodes, n_nodes)
        Lengths ≥ 0; a stored 0 is an edge of length 0.
    sources : ndarray of int, optional
        Default: all nodes.
    what : str, default "distances"
        Shown before the progress bar.
    show : bool, default False
        Whether to show one.

    Yields
    ------
    sources : ndarray of int, shape (k,)
    distances : ndarray of float64, shape (k, n_nodes)
        Infinite where no path leads; 0 to itself.

    Notes
    -----
    Dijkstra's algorithm in scipy.sparse.csgraph.
    """
    from scipy.sparse.csgraph import dijkstra

    n = lengths.shape[0]
    sources = np.arange(n) if sources is None else sources
    width = max(_PART // max(n, 1), 1)
    parts = [sources[k : k + width] for k in range(0, len(sources), width)]
    for part in progress(parts, what, show=show):
        yield part, np.atleast_2d(dijkstra(lengths, indices=part))


def operations(n_sources: int, n_edges: int) -> float:
    """Return how many elementary operations the shortest paths from so many nodes take.

    Examples
    --------
    >>> operations(1000, 20_000)
    20000000.0
    """
    return float(n_sources) * n_edges
