"""A model that is run, and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from cntgraph.adapters.torch.aten.values import leaves, named_arguments


@contextmanager
def untouched(model: torch.nn.Module) -> Iterator[Kept]:
    """Put back what a model changes of itself while it runs; yield what keeps that.

    That is the attributes of its modules, their modes included, and the values of tensors among
    them: parameters, and buffers such as counters and running statistics. What a module changes
    inside a list or a dict of its own stays changed.
    """
    modules = [(module, module.training, _attributes(module)) for module in model.modules()]
    kept = Kept(model)
    try:
        with kept:
            yield kept
    finally:
        for module, training, attributes in modules:
            module.training = training  # of a scripted module it is no attribute
            vars(module).clear()
            vars(module).update(attributes)
        for storage, values in kept.before.values():
            storage.copy_(values)


def _attributes(module: torch.nn.Module) -> dict[str, Any]:
    """Return the attributes of a module, of which tensors may be put in other tensors' places."""
    tables = ("_parameters", "_buffers")
    return {key: copy(v) if key in tables else v for key, v in vars(module).items()}


def _has_memory(value: Any) -> bool:
    is_tensor = isinstance(value, torch.Tensor) and not is_lazy(value)
    return is_tensor and value.layout == torch.strided


@cache
def _written_by(func: Any) -> tuple[str, ...]:
    """Return the arguments that an operation writes over: few do, and all are asked."""
    return tuple(
        argument.name
        for argument in func._schema.arguments
        if (argument.alias_info is not None and argument.alias_info.is_write)
        # Those of a batch norm are written over without saying so.
        or argument.name in ("running_mean", "running_var")
    )


def written(func: Any, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors that an operation writes over."""
    if names := _written_by(func):
        values = named_arguments(func, args, kwargs)
        found = leaves([values[name] for name in names])
        yield from (value for value in found if isinstance(value, torch.Tensor))


class Mode(TorchDispatchMode):
    """Sees what PyTorch carries out, and has nothing to do with its compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch would import its compiler (two seconds) to keep it from compiling this class.
        return False


class Kept(Mode):
    """Keeps what the tensors of a model hold before an operation writes over them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        own = (value for module in model.modules() for value in vars(module).values())
        tensors = (*model.parameters(), *model.buffers(), *own)
        self.places = {x.untyped_storage().data_ptr() for x in tensors if _has_memory(x)} - {0}
        self.before: dict[int, tuple[Any, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.before_writing(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    def before_writing(self, func: Any, args: Any, kwargs: Any) -> None:
        """Keep what an operation is about to write over; told by a mode that sees it first."""
        for tensor in filter(_has_memory, written(func, args, kwargs)):
            storage = tensor.untyped_storage()
            place = storage.data_ptr()
            if place in self.places and place not in self.before:
                self.before[place] = storage, storage.clone()
