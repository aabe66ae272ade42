"""Letting every call of a layer or an operation of Keras come by, for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import keras

from cntgraph.adapters.keras.values import Arguments
from cntgraph.adapters.tracing.operations import NotFollowed

_lock = threading.RLock()


class Watcher(Protocol):
    """What calls come by."""

    #: Whether it wants to see them at present.
    active: bool

    def call_layer(self, layer: Any, args: Any, kwargs: Arguments, /) -> Any:
        """Return what a layer yields."""

    def call_operation(self, operation: Any, args: Any, kwargs: Arguments, /) -> Any:
        """Return what an operation yields."""


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let a watcher carry out every call of a layer or an operation in this thread."""
    layer_call, symbolic_call = keras.Layer.__call__, keras.Operation.symbolic_call
    draw = keras.random.SeedGenerator.next
    owner = threading.get_ident()

    def watched() -> bool:
        return watcher.active and threading.get_ident() == owner

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not watched():
            return layer_call(layer, *args, **kwargs)
        return watcher.call_layer(layer, args, kwargs)

    def call_symbolically(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not watched() or isinstance(operation, keras.Layer):
            return symbolic_call(operation, *args, **kwargs)
        return watcher.call_operation(operation, args, kwargs)

    def next_seed(generator: Any, *args: Any, **kwargs: Any) -> Any:
        if watched():
            raise NotFollowed("it draws random numbers")
        return draw(generator, *args, **kwargs)

    with (
        _lock,
        _plain_errors(),
        patched(keras.Layer, "__call__", call),
        patched(keras.Operation, "symbolic_call", call_symbolically),
        patched(keras.random.SeedGenerator, "next", next_seed),
    ):
        yield


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put another method in the place of a class's own, for a while."""
    own = vars(owner).get(name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return value(self, *args, **kwargs)

    setattr(owner, name, method)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


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
