"""Keras models that run on data, with what is between their layers as outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import keras

from cntgraph.adapters.arrangement import OtherRun
from cntgraph.adapters.execution import Execution, Observed
from cntgraph.adapters.keras.live import run_symbolically, trace_model
from cntgraph.adapters.keras.script import BEFORE, Script
from cntgraph.adapters.keras.tracer import evaluating
from cntgraph.adapters.keras.values import Arguments, as_array, has
from cntgraph.adapters.keras.watch import unwatched, watching
from cntgraph.core.errors import TraceError
from cntgraph.core.types import Array


def execution_of(model: Any, given: Observed) -> Execution:
    """Return what runs a live model on data; it is left as it was."""
    builder = given.builder()
    trace_model(model, builder, input_shape=given.input_shape, example_input=given.example_input)
    assert builder.sightings is not None
    inputs, script = builder.sightings.notes
    n_inputs = len(keras.tree.flatten(inputs))
    return Execution(given, builder, partial(_Runner, model, inputs, script), n_inputs)


class _Runner:
    """Runs a model on a batch, and keeps some of its tensors."""

    def __init__(
        self, model: Any, inputs: tuple[Any, ...], script: Script, keys: Collection[Hashable]
    ) -> None:
        self.model, self.inputs, self.script, self.keys = model, inputs, script, keys
        types = [leaf.dtype for leaf in keras.tree.flatten(inputs)]
        self.types = ["int32" if dtype == "int64" else dtype for dtype in types]
        self._functions: dict[int, Callable[[Any], dict[Hashable, Any]]] = {}

    def __call__(self, inputs: tuple[Array, ...]) -> Mapping[Hashable, Array]:
        """Return the tensors; what a layer does that could only be called whole is not seen."""
        n = len(inputs[0])
        if n not in self._functions:
            self._functions[n] = self._function(n)
        given = [
            keras.ops.convert_to_tensor(values.astype(_as_numpy(dtype)), dtype)
            for values, dtype in zip(inputs, self.types, strict=True)
        ]
        return {key: as_array(tensor) for key, tensor in self._functions[n](given).items()}

    def _function(self, n: int) -> Callable[[Any], dict[Hashable, Any]]:
        """Return what yields the tensors for `n` samples: open sizes would stay in the calls."""
        follower, leaves = _Follower(self.script), keras.tree.flatten(self.inputs)
        symbols = [keras.Input(batch_shape=(n, *leaf.shape[1:]), dtype=leaf.dtype)
                   for leaf in leaves]  # fmt: skip
        nested = keras.tree.pack_sequence_as(self.inputs, symbols)
        with watching(follower), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run_symbolically(follower, self.model, tuple(nested))
            except OtherRun:
                raise
            except TraceError as error:
                raise OtherRun(f"it fails for {n} samples: {error}") from error
        keys = [key for key in self.keys if key in follower.tensors]
        function = keras.Function(symbols, [follower.tensors[key] for key in keys])
        return lambda given: dict(zip(keys, function(given), strict=True))


def _as_numpy(dtype: str) -> str:
    """Return the type in which NumPy holds what Keras has in a type."""
    return "float32" if dtype == "bfloat16" else dtype


class _Follower:
    """Makes the calls that a script tells of, on Keras' own symbolic tensors.

    Attributes
    ----------
    tensors : dict
        What calls yield, by their number and which of their results.
    """

    def __init__(self, script: Script) -> None:
        self.script, self.calls, self.active = script, 0, True
        self.tensors: dict[Hashable, Any] = {}

    def call_layer(self, layer: Any, args: Any, kwargs: Arguments) -> Any:
        """Return what a layer yields, by what it calls in turn where that was followed."""
        evaluating(layer, kwargs)
        if not has([args, kwargs], keras.KerasTensor):
            return self._unwatched(layer, args, kwargs)
        self.calls += 1
        number = self.calls
        made = None
        if number in self.script.entered:
            with suppress(TypeError, ValueError):  # of a backend, which takes no symbolic tensors
                made = layer.call(*args, **kwargs)
        if made is None:
            made = self._whole(number, layer, args, kwargs)
        return self._kept(number, made)

    def call_operation(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        """Return what an operation of ``keras.ops`` yields."""
        self.calls += 1
        number = self.calls
        made = self._unwatched(operation.symbolic_call, args, kwargs)
        self._skip_to_end(number)
        return self._kept(number, made)

    def _whole(self, number: int, layer: Any, args: Any, kwargs: Arguments) -> Any:
        if number in self.script.activated:
            before = self._unwatched(_Step(_Linear(layer), layer), args, kwargs)
            self.tensors[number, BEFORE] = before
            made = self._unwatched(_Step(layer.activation), (before,), {})
        else:
            made = self._unwatched(_Step(layer, layer), args, kwargs)
        self._skip_to_end(number)
        return made

    def _skip_to_end(self, number: int) -> None:
        if number not in self.script.end:
            raise OtherRun(f"its call {number} is another one")
        self.calls = self.script.end[number]

    def _unwatched(self, function: Callable[..., Any], args: Any, kwargs: Arguments) -> Any:
        with unwatched(self):
            return function(*args, **kwargs)

    def _kept(self, number: int, made: Any) -> Any:
        self.tensors |= {(number, k): x for k, x in enumerate(keras.tree.flatten(made))}
        return made


class _Step(keras.Operation):
    """An operation that calls a function; a layer that is called notes nothing of it in itself.

    Parameters
    ----------
    function : callable
    layer : keras.Layer, optional
        What knows the shape that it yields; by default that of what it reads.
    """

    def __init__(self, function: Callable[..., Any], layer: Any = None) -> None:
        super().__init__()
        self.function, self.layer = function, layer

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function yields."""
        return self.function(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return the shape and the type of that."""
        if self.layer is None:
            return keras.KerasTensor(args[0].shape, args[0].dtype)
        return self.layer.compute_output_spec(*args, **kwargs)


class _Linear:
    """A layer that is called without its activation function."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self.layer.activation
        self.layer.activation = keras.activations.linear
        try:
            return self.layer(*args, **kwargs)
        finally:
            self.layer.activation = function
