"""Network: layers, the blocks of edges between them, and what they are read from."""

from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.layer import Layer
from cntgraph.network.network import Edges, Network, coarsen
from cntgraph.network.size import Estimate

__all__ = ["CoverageEntry", "Edges", "Estimate", "Layer", "Network", "coarsen"]
