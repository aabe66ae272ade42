"""Letting every call of a layer or an operation of Keras come by, for a while.

So does every look at an attribute of a layer, which then shows symbols in the place of variables:
what is computed from variables alone would not come by otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import keras

from cntgraph.adapters.keras.values import Arguments
from cntgraph.adapters.tracing.operations import NotFollowed

_lock = threading.RLock()
#: Where layers keep lists of their variables and layers; what they compute with is elsewhere.
_TRACKED = frozenset(
    "_trainable_variables _non_trainable_variables _layers _metrics _seed_generators _tracker "
    "_torch_params _parameters _modules _buffers __dict__".split()
)


class Watcher(Protocol):
    """What calls come by."""

    #: Whether it wants to see them at present.
    active: bool

    def call_layer(self, layer: Any, args: Any, kwargs: Arguments, /) -> Any:
        """Return what a layer yields."""

    def call_operation(self, operation: Any, args: Any, kwargs: Arguments, /) -> Any:
        """Return what an operation yields."""


@contextmanager
def watching(watcher: Watcher, symbols: Mapping[int, Any] | None = None) -> Iterator[None]:
    """Let a watcher carry out every call of a layer or an operation in this thread.

    Parameters
    ----------
    symbols : mapping of int to object, optional
        What layers show in the place of their variables, by the id of the variable.
    """

    def call(own: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not watcher.active:
            return own(layer, *args, **kwargs)
        return watcher.call_layer(layer, args, kwargs)

    def call_symbolically(own: Any, operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not watcher.active or isinstance(operation, keras.Layer):
            return own(operation, *args, **kwargs)
        return watcher.call_operation(operation, args, kwargs)

    def attribute(own: Any, layer: Any, name: str) -> Any:
        value = own(layer, name)
        shown = symbols and name not in _TRACKED and watcher.active
        return _shown(value, symbols) if symbols and shown else value

    def next_seed(own: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
        if watcher.active:
            raise NotFollowed("it draws random numbers")
        return own(generator, *args, **kwargs)

    with (
        _plain_errors(),
        patched(keras.Layer, "__call__", call),
        patched(keras.Operation, "symbolic_call", call_symbolically),
        patched(keras.random.SeedGenerator, "next", next_seed),
        patched(keras.Layer, "__getattribute__", attribute),
    ):
        yield


@contextmanager
def unwatched(watcher: Watcher) -> Iterator[None]:
    """Let Keras see its own variables and calls for a while."""
    watcher.active = False
    try:
        yield
    finally:
        watcher.active = True


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put another method in the place of a class's own, for a while and for this thread alone.

    Calls from other threads go to the class's own method. One thread at a time puts methods in
    place and takes them away, so that none is left or lost.

    Parameters
    ----------
    value : callable
        Takes the class's own method, and what that takes.
    """
    with _lock:
        own, original = vars(owner).get(name), getattr(owner, name)
        thread = threading.get_ident()

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(self, *args, **kwargs)
            return value(original, self, *args, **kwargs)

        setattr(owner, name, method)
        try:
            yield
        finally:
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)


def _shown(value: Any, symbols: Mapping[int, Any], depth: int = 4) -> Any:
    """Return a variable's symbol, or a container with symbols in the place of variables.

    What holds none is returned itself; depth may not end in circles.
    """
    if not isinstance(value, dict | list | tuple) or not depth:
        return symbols.get(id(value), value)
    items = value.values() if isinstance(value, dict) else value
    made = [_shown(item, symbols, depth - 1) for item in items]
    if all(new is old for new, old in zip(made, items, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, made, strict=True))
    return tuple(made) if isinstance(value, tuple) else made


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Let exceptions pass through Keras as they are, without a story added to their message."""
    filtering = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtering:
            keras.config.enable_traceback_filtering()
