"""Smaller graphs: some of the edges or nodes of a graph, and what they keep of it.

Each function takes a `Graph` and gives a `Reduced`: the smaller graph with the fraction of edges
and of Σ|w| that it keeps. For fewer layers, and for channels or layers instead of neurons, say so
when the graph is built: ``build_graph(layers=, granularity=)``.
"""
