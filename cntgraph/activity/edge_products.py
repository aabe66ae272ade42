"""EdgeProducts: what the values at both ends of each edge have to do with each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.parallel import n_threads, ordered_map
from cntgraph.core.types import Values
from cntgraph.network.blocks import Block, Pool

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Edges times samples above which several threads work.
_LARGE = 1 << 18

Chosen = NDArray[np.int32]


def chosen_of(block: Pool, matrix: csr_array, values: Values) -> Chosen:
    """Return which candidate a max or min pooling hands on: of equal ones the first.

    Parameters
    ----------
    block : Pool
    matrix : scipy.sparse.csr_array
        Its edges.
    values : ndarray of float64, shape (source.size, n_samples)
        What it reads.

    Returns
    -------
    ndarray of int32, shape (target.size, n_samples)
        Positions in the source, in whose order (that of C) a window is looked through; -1 where
        there is no candidate.
    """
    from cntgraph.core.kernels.edge_products import find_chosen

    chosen = np.empty((block.target.size, values.shape[1]), dtype=np.int32)
    sign = -1.0 if block.mode == "min" else 1.0
    find_chosen(matrix.indptr, matrix.indices, np.ascontiguousarray(values), sign, chosen)
    return chosen


class EdgeProducts:
    """Sums over samples, one per edge of a block, added up batch by batch.

    Parameters
    ----------
    block : Block
        Whose edges, unrolled, are meant.
    """

    def __init__(self, block: Block) -> None:
        check_memory(28 * block.n_edges, f"the {block.n_edges:,} edges of {block.name!r}")
        self.block, self.n_samples = block, 0
        self.matrix: csr_array = block.to_csr()
        self.total = np.zeros(self.matrix.nnz)
        self._means: tuple[Values, Values] | None = None

    def add(self, left: Values, right: Values) -> None:
        """Add Σ left · right over samples.

        Parameters
        ----------
        left, right : ndarray of float64, shapes (n_sources, n_samples), (n_targets, n_samples)
        """
        from cntgraph.core.kernels.edge_products import add_products

        self.n_samples += left.shape[1]
        self._run(add_products, left, right)

    def add_chosen(self, values: Values, chosen: Chosen, right: Values) -> None:
        """Add Σ values · right over the samples in which the source is what `chosen_of` says."""
        from cntgraph.core.kernels.edge_products import add_chosen

        self.n_samples += values.shape[1]
        self._run(add_chosen, values, chosen, right)

    def add_centered(self, left: Values, right: Values) -> None:
        """Add Σ (left - mean)(right - mean), the means being those of all samples so far."""
        from cntgraph.core.kernels.edge_products import add_products, add_shifts

        n, before = left.shape[1], self.n_samples
        means = left.mean(axis=1), right.mean(axis=1)
        centered = (x - mean[:, None] for x, mean in zip((left, right), means, strict=True))
        self._run(add_products, *centered)
        if self._means is None:
            self._means = means
        else:
            shifts = [own - old for own, old in zip(means, self._means, strict=True)]
            self._run(add_shifts, *shifts, before * n / (before + n))
            first, second = (
                old + shift * (n / (before + n))
                for old, shift in zip(self._means, shifts, strict=True)
            )
            self._means = first, second
        self.n_samples += n

    def _run(self, kernel: Callable[..., None], *arguments: Any) -> None:
        indptr, indices = self.matrix.indptr, self.matrix.indices
        given = [np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x for x in arguments]
        n_rows, few = len(indptr) - 1, self.matrix.nnz * given[0].shape[-1] < _LARGE
        step = max(1, -(-n_rows // (4 * n_threads())))
        parts = [(k, min(k + step, n_rows)) for k in range(0, n_rows, step)]

        def work(part: tuple[int, int]) -> None:
            kernel(indptr, indices, *part, *given, self.total)

        for _ in ordered_map(work, parts, threads=1 if few else None):
            pass
