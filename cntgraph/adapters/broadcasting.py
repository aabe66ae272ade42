"""Moved."""

from cntgraph.adapters.builder.broadcasting import for_sample

__all__ = ["for_sample"]
