"""Live modules: run once, while every ATen operation that PyTorch dispatches is watched."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from cntgraph.adapters.base import Builder
from cntgraph.adapters.torch.aten import AtenTracer, Place
from cntgraph.adapters.torch.tensors import NO_WEIGHT, is_weight, parameter_of
from cntgraph.adapters.torch.watch import Watch, watching
from cntgraph.errors import CntGraphError, InputShapeError, TraceError
from cntgraph.parameter import Parameter
from cntgraph.recipe import Recipe


def module_parameters(model: torch.nn.Module) -> dict[str, Parameter]:
    """Return every parameter and buffer of a module, by name, without copying.

    A tensor that a module has under several names is listed under the first.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to Parameter
    """
    return {
        name: parameter_of(name, tensor, trainable=isinstance(tensor, torch.nn.Parameter))
        for name, tensor in _named_tensors(model)
    }


def _named_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def make_example(
    model: torch.nn.Module, input_shape: tuple[int, ...] | None, example_input: Any
) -> tuple[Any, ...]:
    """Return the arguments to call the model with, on its device and in its type."""
    reference = next((t for _, t in _named_tensors(model) if t.is_floating_point()), None)
    device = torch.device("cpu") if reference is None else reference.device
    dtype = torch.float32 if reference is None else reference.dtype
    if example_input is not None:
        given = example_input if isinstance(example_input, tuple | list) else (example_input,)
        return tuple(_first_sample(value, device, dtype) for value in given)
    if input_shape is None:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass input_shape=(channels, "
            "height, width) (one sample, without the batch) or example_input=a tensor"
        )
    return (torch.zeros((1, *input_shape), device=device, dtype=dtype),)


def _first_sample(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    tensor = torch.as_tensor(value)
    tensor = tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
    return tensor[:1] if tensor.ndim > 1 else tensor


def trace_module(
    model: torch.nn.Module,
    builder: Builder,
    example: tuple[Any, ...],
    *,
    shapes_only: bool = False,
) -> None:
    """Run a module once, and build its network from the operations it carries out.

    Parameters
    ----------
    model : torch.nn.Module
        The model; its training mode is restored, its parameters are not touched.
    builder : Builder
        What the network is built with.
    example : tuple of torch.Tensor
        What the model is called with.
    shapes_only : bool, default False
        Whether the values do not matter: convolutions and matrix products then yield zeros.

    Raises
    ------
    TraceError
        If the model fails on this input.
    """
    tracer = AtenTracer(builder)
    modules = _Modules(model)
    watch = Watch(tracer, modules.place, shapes_only=shapes_only)
    for name, value in zip(_argument_names(model, len(example)), example, strict=True):
        watch.known[value] = tracer.input(name, value.shape, value.dtype)
    for parameter in module_parameters(model).values():
        builder.parameter(parameter)
    for name, tensor in _named_tensors(model):
        recipe = Recipe.of(builder.parameters[name])
        if is_weight(builder.parameters[name]):
            watch.known[tensor] = recipe
        else:
            builder.skip(recipe, NO_WEIGHT)
    try:
        with _evaluating(model), modules.followed(), watching(watch):
            result = model(*example)
    except CntGraphError:
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(getattr(v, "shape", ()))) for v in example)
        raise TraceError(
            f"the model could not be run on an input of shape {shapes} (batch first): "
            f"{type(error).__name__}: {error}. Pass the input_shape or example_input it expects"
        ) from error
    tracer.output(watch.lookup(result))


def _argument_names(model: torch.nn.Module, n: int) -> list[str]:
    """Return the names of the first arguments of a model's forward method."""
    names = [*inspect.signature(model.forward).parameters]
    return names[:n] + [f"input_{k}" for k in range(len(names), n)]


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each module back into its own mode afterwards."""
    training = {module: module.training for module in model.modules()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    # The fast path of attention is one opaque operation.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for module, was in training.items():
            module.training = was


class _Modules:
    """Keeps track of which module is running, to name its operations after it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.paths = {module: name for name, module in model.named_modules()}
        self.stack: list[torch.nn.Module] = []

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Note every module that is entered and left."""
        enter = torch.nn.modules.module.register_module_forward_pre_hook(
            lambda module, _: self.stack.append(module)
        )
        leave = torch.nn.modules.module.register_module_forward_hook(
            lambda module, _, __: self.stack.pop() and None, always_call=True
        )
        with ExitStack() as stack:
            stack.callback(enter.remove)
            stack.callback(leave.remove)
            yield

    def place(self) -> Place:
        """Return where the present operation stands."""
        module = self.stack[-1] if self.stack else None
        if module is None or module not in self.paths:
            return Place()
        is_leaf = next(module.children(), None) is None
        return Place(self.paths[module], is_leaf and type(module).__module__.startswith("torch.nn"))
