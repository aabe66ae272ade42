"""Which operations of JAX there are for node ids, besides those that move or are elementwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from cntgraph.adapters.jax.program import Op

if TYPE_CHECKING:
    from cntgraph.adapters.jax.tracer import Tracer

Handler = Callable[["Tracer", Op, list[Any]], Any]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

#: What each operation does to nodes, by the name of its primitive. A handler takes the tracer, the
#: operation and its arguments; a string says why there are no edges.
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[AnyHandler], AnyHandler]:
    """Register a function as the handler of operations.

    Parameters
    ----------
    *names : str
        Names of primitives.

    Returns
    -------
    callable
        The decorator.
    """

    def register(handler: AnyHandler) -> AnyHandler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register
