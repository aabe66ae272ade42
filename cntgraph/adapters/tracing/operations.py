"""Which operations an adapter knows by name, and the one way to say that one is not followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

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

    Examples
    --------
    >>> table = OperationTable("operation")
    >>> @table.handles("relu", "relu6")
    ... def activation(tracer, arguments): ...
    >>> table.get("relu") is activation, table.get("sort")
    (True, None)
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
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

    def get(self, name: str) -> Handler | None:
        """Return the handler of an operation, or None if it is not known."""
        return self._handlers.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._handlers

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)
