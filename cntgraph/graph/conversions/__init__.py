"""Graphs for other libraries: arrays and a table of nodes become networkx, igraph, networkit.

Nothing here knows `Graph`, which calls it; each library is imported where it is used.
"""
