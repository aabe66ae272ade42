"""Graph: the explicit CSR of a network, what is made of it, and where its nodes are drawn."""

from cntgraph.graph.building import build_graph
from cntgraph.graph.graph import Graph

__all__ = ["Graph", "build_graph"]
