"""How large a network may be, and how large its explicit graph will be."""

from __future__ import annotations

from dataclasses import dataclass

#: Nodes that a network may have; their ids alone take 8 GiB. A damaged file may ask for more.
MAX_NODES = 1 << 30


@dataclass(frozen=True)
class Estimate:
    """The size of an explicit graph before anything is allocated.

    Parameters
    ----------
    n_nodes, n_edges : int
        Its nodes and edges.
    nbytes : int
        Bytes of its CSR arrays.
    """

    n_nodes: int
    n_edges: int
    nbytes: int

    def __str__(self) -> str:
        size = f"{self.nbytes / 2**30:.3g} GiB"
        return f"{self.n_nodes:,} nodes, {self.n_edges:,} edges, {size} of memory"
