"""What a model is called with, and where in it the samples of a batch are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

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
    """

    args: tuple[Any, ...]
    named: dict[str, Any] = field(default_factory=dict)
    axis: int = 0
    shapes_only: bool = False

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All arguments that are tensors."""
        return [v for v in (*self.args, *self.named.values()) if isinstance(v, torch.Tensor)]


def make_examples(
    model: torch.nn.Module, input_shape: tuple[int, ...] | None, example_input: Any
) -> Iterator[Example]:
    """Yield what the model may be called with, on its device and in its type; the likely first.

    Parameters
    ----------
    input_shape : tuple of int or None
        Shape of one sample, without the batch.
    example_input : object
        A tensor or array, a tuple of arguments, or a mapping of arguments by name.

    Raises
    ------
    InputShapeError
        If neither is given.
    """
    tensors = (*model.parameters(), *model.buffers())
    reference = next((t for t in tensors if t.is_floating_point()), torch.zeros(()))
    if example_input is not None:
        yield _first_sample(model, _given(example_input, reference))
        return
    if input_shape is None:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass input_shape=(channels, "
            "height, width) (one sample, without the batch) or example_input=a tensor, a tuple of "
            "arguments or a dict of them"
        )
    for dtype in (reference.dtype, torch.int64):
        zeros = torch.zeros((1, *input_shape), device=reference.device, dtype=dtype)
        axis = batch_axis(model, Example((zeros,)))
        yield Example((zeros.transpose(0, axis),), axis=axis, shapes_only=True)


def _given(value: Any, reference: torch.Tensor) -> Example:
    if isinstance(value, Mapping):
        return Example((), {key: _as_argument(item, reference) for key, item in value.items()})
    many = value if isinstance(value, tuple | list) else (value,)
    return Example(tuple(_as_argument(item, reference) for item in many))


def _as_argument(value: Any, reference: torch.Tensor) -> Any:
    if not isinstance(value, torch.Tensor | np.ndarray | np.generic | list):
        return value
    tensor = torch.as_tensor(value)
    dtype = reference.dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(reference.device, dtype)


def _first_sample(model: torch.nn.Module, example: Example) -> Example:
    """Return the arguments of the first sample; what has no batch axis is left as it is."""
    axis = batch_axis(model, example)
    many = [t for t in example.tensors if t.ndim > max(axis, 1)]
    size = many[0].shape[axis] if many else 1

    def cut(value: Any) -> Any:
        batched = isinstance(value, torch.Tensor) and value.ndim > max(axis, 1)
        return value.narrow(axis, 0, 1) if batched and value.shape[axis] == size else value

    args = tuple(cut(value) for value in example.args)
    return Example(args, {key: cut(value) for key, value in example.named.items()}, axis)


# -- where the batch is --------------------------------------------------------------------------


class _Seen(Exception):
    """Raised in the model to leave it, with the shape of what a module was called with."""


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
        example = _shortened(example, a)
        a -= 1
    seen = _shape_seen(model, modules, example)
    if seen is None or len(seen) != 3 or seen[1] == a:
        return 0
    return 1 if seen[1] == b else 0


def _shortened(example: Example, size: int) -> Example:
    def shorten(value: Any) -> Any:
        long = isinstance(value, torch.Tensor) and value.ndim > 1 and value.shape[0] == size
        return value[: size - 1] if long else value

    args = tuple(shorten(value) for value in example.args)
    return Example(args, {key: shorten(value) for key, value in example.named.items()})


def _shape_seen(
    model: torch.nn.Module, modules: list[torch.nn.Module], example: Example
) -> tuple[int, ...] | None:
    """Return the shape of what the first of the modules to be called is called with."""

    def leave(module: Any, args: Any, named: Any) -> None:
        value = next(iter((*args, *named.values())), None)
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else None
        raise _Seen(shape)

    handles = [module.register_forward_pre_hook(leave, with_kwargs=True) for module in modules]
    try:
        with torch.no_grad():
            model(*example.args, **example.named)
    except _Seen as seen:
        shape: tuple[int, ...] | None = seen.args[0]
        return shape
    except Exception:  # whatever a model raises that does not fit this example
        return None
    finally:
        for handle in handles:
            handle.remove()
    return None
