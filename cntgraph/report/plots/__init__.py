"""Figures, with matplotlib: each function takes ``ax=`` and returns it, and writes nothing.

The only place where matplotlib is imported, and only when a figure is drawn.
"""

from cntgraph.report.plots.change import plot_change
from cntgraph.report.plots.density import plot_density
from cntgraph.report.plots.distribution import plot_distribution
from cntgraph.report.plots.divergence import plot_divergence
from cntgraph.report.plots.graph_drawing import plot_graph
from cntgraph.report.plots.scatter import plot_scatter
from cntgraph.report.plots.separation import plot_separation
from cntgraph.report.plots.strength_map import plot_strength_map
from cntgraph.report.plots.training import plot_training

__all__ = [
    "plot_change",
    "plot_density",
    "plot_distribution",
    "plot_divergence",
    "plot_graph",
    "plot_scatter",
    "plot_separation",
    "plot_strength_map",
    "plot_training",
]
