"""Figures, with matplotlib: each function takes ``ax=`` and returns it, and writes nothing.

The only place where matplotlib is imported, and only when a figure is drawn.
"""

from cntgraph.plots.density import plot_density
from cntgraph.plots.divergence import plot_divergence
from cntgraph.plots.graph_drawing import plot_graph
from cntgraph.plots.separation import plot_separation
from cntgraph.plots.strength_map import plot_strength_map
from cntgraph.plots.training import plot_training

__all__ = [
    "plot_density",
    "plot_divergence",
    "plot_graph",
    "plot_separation",
    "plot_strength_map",
    "plot_training",
]
