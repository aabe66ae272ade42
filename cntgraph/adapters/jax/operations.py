"""Which operations of JAX there are for node ids, besides those that move or are elementwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.tracing.operations import OperationTable

#: Takes the tracer, the operation and its arguments; returns what it yields, or a list of that.
Handler = Callable[[Any, Op, list[Any]], Any]

#: What each operation does to nodes, by the name of its primitive.
HANDLERS: OperationTable[Handler] = OperationTable("primitive of JAX")
handles = HANDLERS.handles
