"""The same network with a node a channel or a node a layer."""
