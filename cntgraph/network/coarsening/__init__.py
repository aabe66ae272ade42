"""The same network with a node a channel or a node a layer."""

from cntgraph.network.coarsening.between import between_channels, between_layers

__all__ = ["between_channels", "between_layers"]
