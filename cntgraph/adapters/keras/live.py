"""Live models: their inputs, and one symbolic run."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.keras import (  # noqa: F401  (they register their handlers)
    contraction,
    convolution,
    elementwise,
    fourier,
    movement,
    norms,
    pooling,
    recurrent,
)
from cntgraph.adapters.keras.inputs import make_inputs
from cntgraph.adapters.keras.tracer import KerasTracer, evaluating
from cntgraph.adapters.keras.values import Arguments, Nodes
from cntgraph.adapters.keras.variables import parameters_of
from cntgraph.adapters.keras.watch import Watcher, watching
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.errors import CntGraphError, TraceError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.size import MAX_NODES


def trace_model(
    model: Any,
    builder: Builder,
    parameters: dict[int, Parameter] | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    example_input: Any = None,
    max_size: int = MAX_NODES,
) -> None:
    """Run a model once on symbolic tensors, and build its network.

    Parameters
    ----------
    model : keras.Layer
        A model or a layer; it is left as it was.
    parameters : dict of int to Parameter, optional
        What to read instead of the model's variables, by the id of the variable.
    input_shape : tuple of int, optional
        Shape of one sample, where the model leaves a size open.
    example_input : array or nested arrays, optional
        Instead: what the model is called with.
    max_size : int, optional
        Number of values that a tensor of one sample may have.

    Raises
    ------
    InputShapeError
        If the size of the input is not known, or does not fit.
    TraceError
        If the model cannot be run.
    """
    inputs = make_inputs(model, builder, input_shape, example_input)
    parameters = parameters_of(model) if parameters is None else parameters
    for parameter in parameters.values():
        builder.parameter(parameter)
        if parameter.name.endswith("seed_generator_state"):
            builder.skip(Recipe.of(parameter), "the state of a random number generator")
    tracer = KerasTracer(builder, parameters, max_size)
    if example_input is not None:
        leaves, arrays = map(keras.tree.flatten, (inputs, example_input))
        for leaf, array in zip(leaves, arrays, strict=True):
            tracer.note_example(leaf, array)
    if builder.sightings is not None:
        builder.sightings.notes = inputs, tracer.script
        for k, leaf in enumerate(keras.tree.flatten(inputs)):
            tracer.see(("input", k), leaf)
    with watching(tracer, tracer.symbols), warnings.catch_warnings():
        # What the code of a model warns of when it meets symbolic tensors says nothing.
        warnings.simplefilter("ignore")
        result = run_symbolically(tracer, model, inputs)
    for leaf in keras.tree.flatten(result):
        if isinstance(leaf, Nodes):
            builder.output(tracer.sample(leaf))


def run_symbolically(watcher: Watcher, model: Any, inputs: tuple[Any, ...]) -> Any:
    """Call a model, which is watched, on symbolic tensors.

    Raises
    ------
    TraceError
        If it cannot be run.
    """
    if not isinstance(model, keras.Model):
        return watcher.call_layer(model, inputs, {})
    options: Arguments = {}
    evaluating(model, options)
    try:
        return model.call(*inputs, **options)
    except (CntGraphError, MemoryError):
        raise
    except Exception as error:  # whatever the code of a model raises on symbolic tensors
        what = str(error) if isinstance(error, NotFollowed) else f"{type(error).__name__}: {error}"
        shapes = ", ".join(str(leaf.shape) for leaf in keras.tree.flatten(inputs))
        raise TraceError(
            f"the model could not be followed on an input of shape {shapes} (batch first): {what}"
        ) from error
