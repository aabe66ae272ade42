"""Measures of complex network theory: one noun per file, each public function named for it.

A measure takes a `Network` (and works in closed form on its blocks) or a `Graph` (and works on
its adjacency), and gives the same numbers from both. Node measures are float64 of shape
(n_nodes,), layer measures are indexed by layer name, tables are DataFrames.

The function `analyze` is called like the module it is in; it is offered by `cntgraph` itself.
"""

from cntgraph.measures.analyze import describe
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.relative_fluctuation import relative_fluctuation
from cntgraph.measures.strength import node_strength

__all__ = [
    "describe",
    "layer_fluctuation",
    "link_weights",
    "node_strength",
    "relative_fluctuation",
]
