"""Moved."""

from cntgraph.adapters.builder import Builder, Ids, Norm

__all__ = ["Builder", "Ids", "Norm"]
