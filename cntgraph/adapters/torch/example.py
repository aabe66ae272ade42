"""What a model is called with, and where in it the samples of a batch are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.options import Options
from cntgraph.core.errors import InputShapeError


@dataclass(frozen=True)
class Example:
    """The arguments of one call of a model, for one sample.

    Parameters
    ----------
    args : tuple
        Positional arguments.
    named : dict of str to object
        Arguments by name.
    axis : int
        Axis of the inputs along which the samples of a batch follow each other.
    shapes_only : bool
        Whether the values do not matter.
    batched : bool
        Whether there is such an axis.
    """

    args: tuple[Any, ...]
    named: dict[str, Any] = field(default_factory=dict)
    axis: int = 0
    shapes_only: bool = False
    batched: bool = True

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All arguments that are tensors."""
        return [v for v in (*self.args, *self.named.values()) if isinstance(v, torch.Tensor)]

    def cut(self, axis: int, size: int, length: int) -> Example:
        """Return the beginning of each tensor that has `size` samples along an axis."""

        def first(value: Any) -> Any:
            batched = isinstance(value, torch.Tensor) and value.ndim > max(axis, 1)
            return value.narrow(axis, 0, length) if batched and value.shape[axis] == size else value

        named = {key: first(value) for key, value in self.named.items()}
        return Example(tuple(map(first, self.args)), named, axis)


def make_examples(model: torch.nn.Module, given: Options) -> Iterator[Example]:
    """Yield what the model may be called with, on its device and in its type; the likely first.

    Parameters
    ----------
    given : Options
        Its `example_input` is a tensor or array, a tuple of arguments, or a mapping of arguments
        by name.

    Raises
    ------
    InputShapeError
        If neither is given.
    """
    tensors = (*model.parameters(), *model.buffers())
    reference = next((t for t in tensors if t.is_floating_point()), torch.zeros(()))
    if given.example_input is not None:
        example = _given(given.example_input, reference)
        if not given.batched:
            yield replace(example, batched=False)
            return
        axis = batch_axis(model, example)
        many = [t for t in example.tensors if t.ndim > max(axis, 1)]
        yield example.cut(axis, many[0].shape[axis] if many else 1, 1)
        return
    if given.input_shape is None:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass input_shape=(channels, "
            "height, width) (one sample, without the batch) or example_input=a tensor, a tuple of "
            "arguments or a dict of them"
        )
    lead = (1,) if given.batched else ()
    for dtype in (reference.dtype, torch.int64):
        zeros = torch.zeros((*lead, *given.input_shape), device=reference.device, dtype=dtype)
        axis = batch_axis(model, Example((zeros,))) if given.batched else 0
        zeros = zeros.transpose(0, axis) if axis else zeros
        yield Example((zeros,), axis=axis, shapes_only=True, batched=given.batched)


def _given(value: Any, reference: torch.Tensor) -> Example:
    if isinstance(value, Mapping):
        return Example((), {key: _as_argument(item, reference) for key, item in value.items()})
    many = value if isinstance(value, tuple | list) else (value,)
    return Example(tuple(_as_argument(item, reference) for item in many))


def _as_argument(value: Any, reference: torch.Tensor) -> Any:
    if not isinstance(value, torch.Tensor | np.ndarray | np.generic | list):
        return value
    if isinstance(value, list) and any(isinstance(v, torch.Tensor | np.ndarray) for v in value):
        if not all(isinstance(v, torch.Tensor | np.ndarray) for v in value):
            raise InputShapeError("expected tensors or arrays in a list, got others among them")
        return [_as_argument(item, reference) for item in value]
    tensor = torch.as_tensor(value)
    dtype = reference.dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(reference.device, dtype, copy=True)  # a model may write over its input


# -- where the batch is --------------------------------------------------------------------------


def batch_axis(model: torch.nn.Module, example: Example) -> int:
    """Return the axis of the inputs along which samples follow each other.

    It is the first, unless the model hands its input to a recurrent layer or an attention that is
    time first: then it is the axis of that size which the module has its samples on.

    Parameters
    ----------
    example : Example
        What it is called with, any number of samples.

    Returns
    -------
    int
        0 or 1.
    """
    kinds = torch.nn.RNNBase | torch.nn.MultiheadAttention
    modules = [m for m in model.modules() if isinstance(m, kinds) and not m.batch_first]
    first = next((t for t in example.tensors if t.ndim > 1), None)
    if not modules or first is None:
        return 0
    a, b = first.shape[:2]
    if a == b:
        # Were it the first axis, the module would see one sample less, too.
        example = example.cut(0, a, a - 1)
        a -= 1
    seen = _shape_seen(model, modules, example)
    return int(len(seen) == 3 and seen[1] == b and seen[1] != a)


def _shape_seen(
    model: torch.nn.Module, modules: list[torch.nn.Module], example: Example
) -> tuple[int, ...]:
    """Return the shape of what the first of the modules to be called is called with."""
    shapes: list[tuple[int, ...]] = []

    def note(module: Any, args: Any, named: Any) -> None:
        value = next(iter((*args, *named.values())), None)
        shapes.append(tuple(value.shape) if isinstance(value, torch.Tensor) else ())
        raise RuntimeError("seen: nothing that comes after matters")

    # Whatever else a model raises does not fit this example.
    with ExitStack() as stack, suppress(Exception), torch.no_grad():
        for module in modules:
            stack.enter_context(module.register_forward_pre_hook(note, with_kwargs=True))
        model(*example.args, **example.named)
    return next(iter(shapes), ())
