"""Smaller graphs: some of the edges or nodes of a graph, and what they keep of it.

Each function takes a `Graph` and gives a `Reduced`: the smaller graph with the fraction of edges
and of Σ|w| that it keeps. Fewer layers, and channels or layers instead of neurons, are made when
the graph is built: ``build_graph(layers=, granularity=)``.
"""
