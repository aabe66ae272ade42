"""Moved."""

from cntgraph.adapters.builder.attention import attend, attention

__all__ = ["attend", "attention"]
