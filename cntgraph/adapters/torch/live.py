"""Live modules: run once, while every ATen operation that PyTorch dispatches is watched."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Nodes, Place
from cntgraph.adapters.torch.example import Example, make_examples
from cntgraph.adapters.torch.higher_order import is_of_compiler, without_compiler
from cntgraph.adapters.torch.script import Script
from cntgraph.adapters.torch.sparse_tensors import (
    is_sparse,
    parameters_of_sparse,
    put_dense,
)
from cntgraph.adapters.torch.tensors import NO_WEIGHT, is_constant_mask, is_weight, parameter_of
from cntgraph.adapters.torch.untouched import Kept, untouched
from cntgraph.adapters.torch.watch import Watch, alone, watching
from cntgraph.adapters.tracing.complex_numbers import of_pairs
from cntgraph.core.errors import CntGraphError, TraceError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe


def module_parameters(model: torch.nn.Module) -> dict[str, Parameter]:
    """Return every parameter and buffer of a module, by name, without copying.

    A tensor that a module has under several names is listed under the first.
    """
    return {parameter.name: parameter for stored, _ in _stored(model) for parameter in stored}


def _stored(
    model: torch.nn.Module, sparse: Mapping[torch.Tensor, torch.Tensor] | None = None
) -> Iterator[tuple[tuple[Parameter, ...], torch.Tensor]]:
    """Yield what is stored of every tensor, and the tensor.

    Of one in the place of a `sparse` one it is what that stores: values, and which there are.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        trainable = isinstance(tensor, torch.nn.Parameter)
        own = tensor if sparse is None else sparse.get(tensor, tensor)
        if is_sparse(own):
            yield parameters_of_sparse(name, own, trainable=trainable), tensor
        else:
            yield (parameter_of(name, own, trainable=trainable),), tensor


def trace_live(model: torch.nn.Module, given: Options, *, shapes_only: bool = False) -> Builder:
    """Run a module once, and return what its network is built with.

    Parameters
    ----------
    model : torch.nn.Module
        The model, which is left as it was.
    given : Options
        What it is run on; where only a shape is given, numbers are tried and then indices.
    shapes_only : bool, default False
        Whether the values of an example do not matter either: the weights are stand-ins.

    Raises
    ------
    InputShapeError
        If the size of the input is not known.
    TraceError
        If the model fails on this input.
    """
    failed: TraceError | None = None
    with evaluating(model) as kept:
        for example in make_examples(model, given):
            if shapes_only:
                example = replace(example, shapes_only=True)
            try:
                return _traced(model, given, example, kept)
            except TraceError as error:
                failed = failed or error
    assert failed is not None
    raise failed


def _traced(model: torch.nn.Module, given: Options, example: Example, kept: Kept) -> Builder:
    """Trace a module; once more without PyTorch's compiler, where that cannot be watched."""
    try:
        return trace_module(model, given.builder(), example, kept)
    except TraceError as error:
        if not is_of_compiler(error.__cause__):
            raise
        with without_compiler():
            return trace_module(model, given.builder(), example, kept)


def trace_module(model: torch.nn.Module, builder: Builder, example: Example, kept: Kept) -> Builder:
    """Run a module, which nothing but `kept` sees, and build its network from what it does."""
    tracer, modules = AtenTracer(builder), _Modules(model)
    tracer.n_samples, tracer.has_example = int(example.batched), not example.shapes_only
    watch = Watch(tracer, modules.place, shapes_only=example.shapes_only, kept=kept)
    for stored, tensor in _stored(model, put_dense(model)):
        recipe, *pattern = (Recipe.of(builder.parameter(parameter)) for parameter in stored)
        recipe = recipe * pattern[0] if pattern else recipe
        if is_weight(stored[0]):
            watch.known[tensor] = of_pairs(tracer, recipe) if tensor.is_complex() else recipe
        else:
            builder.skip(recipe, NO_WEIGHT)
    inputs = [*map(id, example.tensors)]
    for name, value, axis in _named_arguments(model, example):
        if not (example.batched or value.is_floating_point() or value.is_complex()):
            tracer.note(name, "whole numbers: taken as they are in the example")
        elif is_constant_mask(value):
            tracer.note(name, "a mask: taken as it is in the example")
        else:
            watch.known[value] = nodes = tracer.input(name, value.shape, value.dtype, axis)
            if id(value) in inputs and isinstance(nodes, Nodes):
                tracer.see(("input", inputs.index(id(value))), nodes)
    if builder.sightings is not None:
        watch.script = Script()
        builder.sightings.notes = example, watch.script
    with modules.followed(), alone():
        result = call_module(model, example, watch)
    tracer.output(watch.lookup(result))
    return builder


def call_module(model: torch.nn.Module, example: Example, mode: TorchDispatchMode) -> Any:
    """Run a module while a mode sees its operations, and return its result.

    Raises
    ------
    TraceError
        If it fails on this input.
    """
    try:
        with watching(mode):
            return model(*example.args, **example.named)
    except (CntGraphError, MemoryError):
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(value.shape)) for value in example.tensors)
        raise TraceError(
            f"the model could not be run on an input of shape {shapes} (batch first): "
            f"{type(error).__name__}: {error}. Pass the input_shape or example_input it expects"
        ) from error


def _named_arguments(
    model: torch.nn.Module, example: Example
) -> Iterator[tuple[str, torch.Tensor, int | None]]:
    """Yield the tensors a model is called with, under the names of its forward method.

    Their axis of samples comes last; those in a list are samples themselves, and have none.
    """
    try:
        names = [*inspect.signature(model.forward).parameters]
    except ValueError:  # a traced module has none
        names = []
    names += [f"input_{k}" for k in range(len(names), len(example.args))]
    for name, value in [*zip(names, example.args, strict=False), *example.named.items()]:
        if isinstance(value, torch.Tensor):
            yield name, value, example.axis
        elif isinstance(value, list):
            yield from ((f"{name}.{k}", item, None) for k, item in enumerate(value))


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[Kept]:
    """Put a model into evaluation mode, and leave it as it was afterwards (`untouched`)."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    if not hasattr(model, "training"):
        raise TraceError(
            "the parameters of a frozen TorchScript module are constants; pass the module as it "
            "was before torch.jit.freeze"
        )
    with untouched(model) as kept:
        with suppress(NotImplementedError):  # an exported program is as it was exported
            model.eval()
        # The fast path of attention is one opaque operation.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield kept
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)


class _Modules:
    """Keeps track of which module is running, to name its operations after it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.places = {module: _place(name, module) for name, module in model.named_modules()}
        self.stack: list[torch.nn.Module] = []

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Note every module that is entered and left."""
        hooks = torch.nn.modules.module

        def leave(*_: Any) -> None:  # what a hook returns would be the module's result
            self.stack.pop()

        with (
            hooks.register_module_forward_pre_hook(lambda module, _: self.stack.append(module)),
            hooks.register_module_forward_hook(leave, always_call=True),
        ):
            yield

    def place(self) -> Place:
        """Return where the present operation stands."""
        return self.places.get(self.stack[-1], Place()) if self.stack else Place()


def _place(path: str, module: torch.nn.Module) -> Place:
    is_leaf = next(module.children(), None) is None
    return Place(path, is_leaf and type(module).__module__.startswith("torch.nn"))
