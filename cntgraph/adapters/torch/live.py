"""Live modules: run once, while every ATen operation that PyTorch dispatches is watched."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from cntgraph.adapters.base import Builder
from cntgraph.adapters.torch.aten import AtenTracer, Nodes, Place
from cntgraph.adapters.torch.aten.geometry import convolution_windows
from cntgraph.adapters.torch.aten.values import named_arguments
from cntgraph.adapters.torch.tensors import parameter_of
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
    mode = _Watch(tracer, model, shapes_only=shapes_only)
    for name, value in zip(_argument_names(model, len(example)), example, strict=True):
        mode.known[value] = tracer.input(name, value.shape)
    for name, parameter in module_parameters(model).items():
        builder.parameter(parameter)
        if name.endswith("num_batches_tracked"):
            builder.skip(Recipe.of(parameter), "a counter that evaluation does not use")
    for name, tensor in _named_tensors(model):
        mode.known[tensor] = Recipe.of(builder.parameters[name])
    try:
        with torch.no_grad(), _evaluating(model), mode.watching_modules(), mode:
            result = model(*example)
    except CntGraphError:
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(getattr(v, "shape", ()))) for v in example)
        raise TraceError(
            f"the model could not be run on an input of shape {shapes} (batch first): "
            f"{type(error).__name__}: {error}. Pass the input_shape or example_input it expects"
        ) from error
    tracer.output(mode.lookup(result))


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


class _Watch(TorchDispatchMode):
    """Sees every ATen operation while a module runs, and what each tensor stands for."""

    def __init__(self, tracer: AtenTracer, model: torch.nn.Module, *, shapes_only: bool) -> None:
        super().__init__()
        self.tracer, self.shapes_only = tracer, shapes_only
        self.known: Any = WeakTensorKeyDictionary()
        self.paths = {module: name for name, module in model.named_modules()}
        self.stack: list[torch.nn.Module] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch would import its compiler (two seconds) to keep it from compiling this class.
        return False

    @contextmanager
    def watching_modules(self) -> Iterator[None]:
        """Keep track of which module is running, to name its operations after it."""
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

    def lookup(self, value: Any) -> Any:
        """Return what a tensor stands for (itself, for a constant), in any nesting."""
        if isinstance(value, torch.Tensor):
            return self.known.get(value, value)
        if isinstance(value, list | tuple):
            return [self.lookup(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self.lookup(item) for key, item in value.items()}
        return value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.shapes_only and func._schema.name in _HEAVY:
            result = _zeros_for(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
        traced, named = self.lookup(args), self.lookup(kwargs)
        if _has_traced(traced) or _has_traced(named):
            if func._schema.name.endswith("_") and isinstance(args[0], torch.Tensor):
                traced[0] = self._lift(args[0], traced)
            yielded = self.tracer.call(func, traced, named, self._place(), lambda: _shapes(result))
            self._remember(result, yielded)
        return result

    def _lift(self, tensor: torch.Tensor, traced: list[Any]) -> Any:
        """Let a constant into which neurons are written stand for nodes, and its base with it."""
        writes_nodes = any(isinstance(value, Nodes) for value in traced[1:])
        if not isinstance(traced[0], torch.Tensor) or not writes_nodes:
            return traced[0]
        base = tensor if tensor._base is None else tensor._base
        if base not in self.known:
            self.known[base] = Nodes(torch.full(base.shape, -1, dtype=torch.int64))
        if base is tensor:
            return self.known[base]
        ids = self.known[base].ids
        seen = ids.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())
        self.known[tensor] = Nodes(seen)
        return self.known[tensor]

    def _place(self) -> Place:
        module = self.stack[-1] if self.stack else None
        if module is None or module not in self.paths:
            return Place()
        is_leaf = next(module.children(), None) is None
        return Place(self.paths[module], is_leaf and type(module).__module__.startswith("torch.nn"))

    def _remember(self, result: Any, yielded: Any) -> None:
        if isinstance(result, torch.Tensor):
            if isinstance(yielded, Nodes | Recipe):
                self.known[result] = yielded
        elif isinstance(result, list | tuple) and isinstance(yielded, list | tuple):
            for part, value in zip(result, yielded, strict=False):
                self._remember(part, value)


#: The operations whose values take time to compute, and where their factors stand.
_HEAVY = {"aten::convolution": (0, 1), "aten::addmm": (1, 2), "aten::mm": (0, 1)}


def _zeros_for(func: Any, args: Any, kwargs: Any) -> torch.Tensor:
    """Return zeros in the place of an operation's result."""
    left, right = (args[k] for k in _HEAVY[func._schema.name])
    if func._schema.name == "aten::convolution":
        a = named_arguments(func, args, kwargs)
        windows = convolution_windows(a, left.shape[2:], right.shape[2:], a["transposed"])
        per_group = right.shape[0 if a["transposed"] else 1]
        fits = left.shape[1] == per_group * (1 if a["transposed"] else a["groups"])
        fine, coarse = ([getattr(w, side) for w in windows] for side in ("fine", "coarse"))
        channels = right.shape[1] * a["groups"] if a["transposed"] else right.shape[0]
        shape = (left.shape[0], channels, *(fine if a["transposed"] else coarse))
    else:
        fits, shape = left.shape[1] == right.shape[0], (left.shape[0], right.shape[1])
    if not fits or left.dtype != right.dtype:
        return func(*args, **kwargs)  # which says what is wrong
    return torch.zeros(shape, dtype=left.dtype, device=left.device)


def _has_traced(values: Any) -> bool:
    if isinstance(values, dict):
        return _has_traced(list(values.values()))
    if isinstance(values, list | tuple):
        return any(_has_traced(value) for value in values)
    return isinstance(values, Nodes | Recipe)


def _shapes(result: Any) -> Any:
    """Return the shape of a result, or the shapes of several; None for what is no tensor."""
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    if isinstance(result, list | tuple):
        return [_shapes(part) if isinstance(part, torch.Tensor) else None for part in result]
    return None
