"""Graph: the explicit CSR of a network, what is made of it, and where its nodes are drawn."""

from cntgraph.graph.graph import Graph, build_graph

__all__ = ["Graph", "build_graph"]
