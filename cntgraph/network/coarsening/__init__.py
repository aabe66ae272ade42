"""The same network with one node per channel or one node per layer."""

from cntgraph.network.coarsening.between import between_channels, between_layers

__all__ = ["between_channels", "between_layers"]
