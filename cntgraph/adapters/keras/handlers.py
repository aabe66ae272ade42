"""The handlers of Keras' layers and operations, by the name of the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cntgraph.adapters.keras.moves import MOVES, UNCHANGED
from cntgraph.adapters.tracing.operations import OperationTable

AnyHandler = Callable[..., Any]

#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = frozenset({*MOVES, *UNCHANGED} - {"Stack"}) | frozenset(
    "Absolute Add Divide Dot Einsum Inner Matmul Mean Multiply Negative Power Reciprocal Rsqrt "
    "Sqrt Square Std Subtract Sum Tensordot TrueDivide Var".split()
)

#: Called with the tracer, the layer, and the arguments of the call by name; a handler returns what
#: the layer yields, and ``NotImplemented`` lets the layer be entered.
LAYERS: OperationTable[AnyHandler] = OperationTable("layer of Keras")
#: Called with the tracer, the operation, and the arguments of the call by name; a handler returns
#: what the operation yields, and ``NotImplemented`` cuts the graph.
OPERATIONS: OperationTable[AnyHandler] = OperationTable("operation of Keras", _OF_BUFFERS)
handles_layer, handles = LAYERS.handles, OPERATIONS.handles


def handler_of(layer: Any) -> AnyHandler | None:
    """Return the handler of the Keras layer that a layer is, unless its ``call`` is another."""
    for kind in type(layer).__mro__:
        if is_of_keras(kind) and kind.__name__ in LAYERS:
            same = vars(type(layer)).get("call", type(layer).call) is getattr(kind, "call", None)
            return LAYERS.get(kind.__name__) if same else None
    return None


def is_of_keras(kind: type) -> bool:
    """Whether a class is one of Keras' own."""
    return kind.__module__.startswith("keras.")
