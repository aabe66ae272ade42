"""The handlers of Keras' layers and operations, by the name of the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

AnyHandler = Callable[..., Any]
LAYERS: dict[str, AnyHandler] = {}
OPERATIONS: dict[str, AnyHandler] = {}


def handles_layer(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Register a function as the handler of Keras' layers of these names.

    It is called with the tracer, the layer, and the arguments of the call by name, and returns
    what the layer yields; ``NotImplemented`` lets the layer be entered.
    """
    return _registering(LAYERS, names)


def handles(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Register a function as the handler of Keras' operations of these names.

    It is called with the tracer, the operation, and the arguments of the call by name, and
    returns what the operation yields; ``NotImplemented`` cuts the graph.
    """
    return _registering(OPERATIONS, names)


def _registering(
    table: dict[str, AnyHandler], names: Sequence[str]
) -> Callable[[AnyHandler], AnyHandler]:
    def register(handler: AnyHandler) -> AnyHandler:
        for name in names:
            table[name] = handler
        return handler

    return register


def handler_of(layer: Any) -> AnyHandler | None:
    """Return the handler of the Keras layer that a layer is, unless its ``call`` is another."""
    for kind in type(layer).__mro__:
        if is_of_keras(kind) and kind.__name__ in LAYERS:
            same = vars(type(layer)).get("call", type(layer).call) is getattr(kind, "call", None)
            return LAYERS[kind.__name__] if same else None
    return None


def is_of_keras(kind: type) -> bool:
    """Whether a class is one of Keras' own."""
    return kind.__module__.startswith("keras.")
