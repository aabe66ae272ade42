"""Wiring: which nodes are connected, block by block, and the same with the edges swapped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.graph.graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]

#: How often an edge is picked, on average, to be swapped.
SWAPS_PER_EDGE = 10
#: Pairs drawn at a time.
_PART = 1_000_000


@dataclass(frozen=True, eq=False)
class Wiring:
    """The edges of a simple graph, those of a block together.

    Parameters
    ----------
    n_nodes : int
    source, target : ndarray of int64, shape (n_edges,)
        The ends of every edge.
    starts : ndarray of int64, shape (n_blocks + 1,)
        Where each block's edges start.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("cnn"))
    >>> wiring = Wiring.of(graph)
    >>> null = wiring.rewired(np.random.default_rng(0))
    >>> degrees = [np.bincount(x.target, minlength=x.n_nodes) for x in (wiring, null)]
    >>> bool(np.array_equal(*degrees)), bool(np.array_equal(wiring.target, null.target))
    (True, False)
    """

    n_nodes: int
    source: Ints
    target: Ints
    starts: Ints

    @staticmethod
    def of(graph: Graph) -> Wiring:
        """Return the wiring of a graph.

        Loops are left out; of parallel edges the one of the first block stays.
        """
        matrix = graph.adjacency
        source = np.repeat(np.arange(graph.n_nodes), np.diff(matrix.indptr))
        target = matrix.indices.astype(np.int64)
        kept = source != target
        if len(kept) > 1:  # columns ascend within a row, and blocks within a column
            kept[1:] &= (source[1:] != source[:-1]) | (target[1:] != target[:-1])
        block = graph.edge_block[kept].astype(np.int64)
        order = np.argsort(block, kind="stable")
        starts = np.searchsorted(block[order], np.arange(len(graph.block_names) + 1))
        return Wiring(graph.n_nodes, source[kept][order], target[kept][order], starts)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.source)

    def has_mutual_edges(self) -> bool:
        """Return whether an edge leads back where another comes from."""
        there = self.source * self.n_nodes + self.target
        back = self.target * self.n_nodes + self.source
        return bool(np.isin(there, back).any())

    def matrix(self) -> csr_array:
        """Return the adjacency matrix, of ones."""
        from scipy.sparse import coo_array, csr_array

        places = (self.source, self.target)
        shape = (self.n_nodes, self.n_nodes)
        return csr_array(coo_array((np.ones(self.n_edges), places), shape=shape))

    def rewired(
        self, rng: np.random.Generator, swaps_per_edge: float = SWAPS_PER_EDGE, *, noun: str = ""
    ) -> Wiring:
        """Return a random wiring in which every node has as many edges of every block.

        Parameters
        ----------
        rng : numpy.random.Generator
        swaps_per_edge : float, default 10
            How often an edge is picked, on average.
        noun : str, default ""
            The measure's name, for the error.

        Returns
        -------
        Wiring

        Raises
        ------
        UndefinedMeasureError
            If no pair of edges that was tried can be swapped, as in blocks that connect all nodes
            with all.

        Notes
        -----
        Two edges of a block i → j, k → l become i → l, k → j, unless there is such an edge in any
        block already, or it would be a loop. Every node keeps its in- and out-degree in every
        block, and the network its layers. Picks that cannot be swapped count: between two
        layers, all wirings are equally likely in the end. (Where a block leads from nodes to
        themselves, swaps may not reach all wirings: no swap turns a cycle of three around.)

        References
        ----------
        .. [1] A. R. Rao, R. Jana, S. Bandyopadhyay, "A Markov chain Monte Carlo method for
           generating random (0,1)-matrices with given marginals", Sankhyā A 58 (1996).
        """
        from cntgraph.core.kernels.swaps import add_edges, swap_targets

        bits = max(int(np.ceil(np.log2(max(2 * self.n_edges, 2)))), 1)
        table, shift = np.full(2**bits, -1, np.int64), 64 - bits
        add_edges(table, shift, self.n_nodes, self.source, self.target)
        target, swapped = self.target.copy(), 0
        for low, high in zip(self.starts[:-1], self.starts[1:], strict=True):
            left = int(np.ceil((high - low) * swaps_per_edge / 2))
            while left > 0 and high - low > 1:
                picks = rng.integers(low, high, (min(left, _PART), 2))
                swapped += swap_targets(table, shift, self.n_nodes, self.source, target, picks)
                left -= len(picks)
        if not swapped:
            raise UndefinedMeasureError(
                f"{noun or 'this measure'} compares with networks of the same degrees, and none "
                "was found: no two edges can be swapped of all pairs that were tried (blocks "
                "connect nearly all nodes with all, or have too few edges). Keep the strong "
                "edges only, with cntgraph.build_graph(net, threshold=) or a backbone"
            )
        return replace(self, target=target)
