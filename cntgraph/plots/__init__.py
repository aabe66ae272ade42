"""Figures, with matplotlib: each function takes ``ax=`` and returns it, and writes nothing.

The only place where matplotlib is imported, and only when a figure is drawn.
"""

from cntgraph.plots.separation import plot_separation
from cntgraph.plots.training import plot_training

__all__ = ["plot_separation", "plot_training"]
