"""Which operations an adapter knows by name, and the one way to say that one is not followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any, Generic, NoReturn, TypeVar

from cntgraph.adapters.tracing.values import is_learned

Handler = TypeVar("Handler", bound=Callable[..., Any])
Registered = TypeVar("Registered", bound=Callable[..., Any])


class NotFollowed(Exception):
    """An operation has no edges that could be stated; the message says why.

    The tracer cuts the graph there, and the reason stands in the coverage table.
    """


class OperationTable(Generic[Handler]):
    """The handlers of a framework's operations, by the name of the operation.

    Parameters
    ----------
    noun : str
        What an operation of the framework is called in errors.
    of_buffers : set of str, optional
        Operations that make weights of buffers alone, too; else the values of those are taken.

    Examples
    --------
    >>> table = OperationTable("operation")
    >>> @table.handles("relu", "relu6")
    ... def activation(tracer, arguments): ...
    >>> table.get("relu") is activation, table.get("sort")
    (True, None)
    """

    def __init__(self, noun: str, of_buffers: Set[str] = frozenset()) -> None:
        self.noun, self.of_buffers = noun, of_buffers
        self._handlers: dict[str, Handler] = {}
        self.of_weights: set[str] = set()

    def handles(self, *names: str, of_weights: bool = False) -> Callable[[Registered], Registered]:
        """Register a function as the handler of operations.

        Parameters
        ----------
        *names : str
            Names of the operations.
        of_weights : bool, default False
            Whether it makes weights of weights; else it is called for neurons alone.

        Returns
        -------
        callable
            The decorator.

        Raises
        ------
        ValueError
            If one of them has a handler already: an operation has one meaning.
        """
        self.of_weights.update(names if of_weights else ())

        def register(handler: Registered) -> Registered:
            for name in names:
                if name in self._handlers:
                    raise ValueError(
                        f"{self.noun} {name!r} has a handler already, {self._handlers[name]!r}; "
                        "an operation has one meaning"
                    )
                self._handlers[name] = handler  # type: ignore[assignment]
            return handler

        return register

    def refuses(self, reason: str, *names: str) -> None:
        """Say why operations are never followed."""

        def refuse(*_: Any) -> NoReturn:
            raise NotFollowed(reason)

        self.handles(*names)(refuse)

    def get(self, name: str) -> Handler | None:
        """Return the handler of an operation, or None if it is not known."""
        return self._handlers.get(name)

    def get_for_weights(self, name: str, values: Iterable[Any]) -> Handler | None:
        """Return the handler of an operation, if it makes weights of these weights and constants.

        Parameters
        ----------
        values : iterable
            What goes into it.
        """
        followed = self.of_weights if any(map(is_learned, values)) else self.of_buffers
        return self._handlers.get(name) if name in followed else None

    def __contains__(self, name: object) -> bool:
        return name in self._handlers
