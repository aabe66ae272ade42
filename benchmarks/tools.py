"""One graph in every tool, the measures that several of them have, and how long each takes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from time import perf_counter
from typing import Any, NamedTuple

import igraph
import networkit
import networkx as nx
import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sknetwork.ranking import HITS, PageRank
from sknetwork.utils import get_degrees, get_weights

Call = Callable[[], Any]
PACKAGES = ("cntgraph", "numpy", "scipy", "networkx", "igraph", "networkit", "scikit-network")


class Tools(NamedTuple):
    """A graph as each tool holds it, and how many seconds that took."""

    scipy: csr_array
    networkx: nx.DiGraph
    igraph: igraph.Graph
    networkit: networkit.Graph
    sknetwork: csr_matrix
    seconds: dict[str, float]

    @classmethod
    def of(cls, adjacency: csr_array) -> Tools:
        """Hand a matrix without parallel edges to each."""
        found, seconds = {}, {}
        for name, make in _MAKERS.items():
            start = perf_counter()
            found[name] = make(adjacency)
            seconds[name] = perf_counter() - start
        return cls(adjacency, **found, seconds=seconds)

    def strengths(self) -> dict[str, Call]:
        """In- and out-strength together, by each tool."""
        nodes = range(self.scipy.shape[0])
        return {
            "scipy": lambda: self.scipy.sum(axis=0) + self.scipy.sum(axis=1),
            "scikit-network": lambda: (
                get_weights(self.sknetwork) + get_weights(self.sknetwork, transpose=True)
            ),
            "igraph": lambda: self.igraph.strength(mode="all", weights="weight"),
            "networkit": lambda: [
                self.networkit.weightedDegree(i) + self.networkit.weightedDegreeIn(i) for i in nodes
            ],
            "networkx": lambda: list(dict(self.networkx.degree(weight="weight")).values()),
        }

    def degrees(self) -> dict[str, Call]:
        """Edges in and out, by each tool."""
        nodes, n = range(self.scipy.shape[0]), self.scipy.shape[0]
        return {
            "scipy": lambda: (
                np.diff(self.scipy.indptr) + np.bincount(self.scipy.indices, minlength=n)
            ),
            "scikit-network": lambda: (
                get_degrees(self.sknetwork) + get_degrees(self.sknetwork, transpose=True)
            ),
            "igraph": lambda: self.igraph.degree(mode="all"),
            "networkit": lambda: [
                self.networkit.degreeOut(i) + self.networkit.degreeIn(i) for i in nodes
            ],
            "networkx": lambda: list(dict(self.networkx.degree()).values()),
        }

    def pagerank(self) -> dict[str, Call]:
        """PageRank, where nodes without edges out lead everywhere, to about 12 digits."""
        sinks = networkit.centrality.SinkHandling.DistributeSinks

        def in_networkit() -> Any:
            found = networkit.centrality.PageRank(
                self.networkit, 0.85, 1e-12, distributeSinks=sinks
            ).run()
            return np.array(found.scores()) / sum(found.scores())

        return {
            "scikit-network": lambda: PageRank(n_iter=1000, tol=1e-12).fit_predict(self.sknetwork),
            "igraph": lambda: self.igraph.pagerank(weights="weight"),
            "networkit": in_networkit,
            "networkx": lambda: list(nx.pagerank(self.networkx, tol=1e-12).values()),
        }

    def hubs(self) -> dict[str, Call]:
        """Hubs of HITS, which add up to one."""

        def normalized(scores: Any) -> Any:
            return np.array(scores) / np.sum(scores)

        return {
            "scikit-network": lambda: normalized(HITS().fit(self.sknetwork).scores_row_),
            "igraph": lambda: normalized(self.igraph.hub_score(weights="weight")),
            "networkx": lambda: list(nx.hits(self.networkx)[0].values()),
        }


def versions() -> str:
    """Return the versions of all tools, for the foot of a table."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES) + ".\n"


def _to_igraph(adjacency: csr_array) -> igraph.Graph:
    coo = adjacency.tocoo()
    edges = np.column_stack([coo.row, coo.col])
    attributes = {"weight": coo.data}
    return igraph.Graph(adjacency.shape[0], edges, directed=True, edge_attrs=attributes)


def _to_networkit(adjacency: csr_array) -> networkit.Graph:
    coo = adjacency.tocoo()
    ends = tuple(np.ascontiguousarray(side, dtype=np.intp) for side in (coo.row, coo.col))
    made = networkit.Graph(adjacency.shape[0], weighted=True, directed=True)
    made.addEdges((coo.data.astype(np.float64), ends))
    return made


_MAKERS: dict[str, Callable[[csr_array], Any]] = {
    "networkx": lambda a: nx.from_scipy_sparse_array(a, create_using=nx.DiGraph),
    "igraph": _to_igraph,
    "networkit": _to_networkit,
    "sknetwork": csr_matrix,
}
