"""Zeros in the place of results that take time to compute and whose values do not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cntgraph.adapters.torch.aten.convolution import convolution_windows
from cntgraph.adapters.torch.aten.values import Arguments, named_arguments
from cntgraph.adapters.tracing.operations import NotFollowed

Shape = tuple[int, ...]


def zeros_for(operation: Any, args: Any, kwargs: Any) -> torch.Tensor | None:
    """Return zeros of the shape and type of an operation's result.

    Parameters
    ----------
    args, kwargs
        Its arguments, as tensors.

    Returns
    -------
    Tensor or None
        None for an operation that is quick, or whose arguments do not fit.
    """
    shape_of = _HEAVY.get(operation._schema.name)
    if shape_of is None:
        return None
    a = named_arguments(operation, args, kwargs)
    left, right, shape = shape_of(a)
    if shape is None or left.dtype != right.dtype:
        return None
    return torch.zeros(shape, dtype=left.dtype, device=left.device)


def _convolution(a: Arguments) -> tuple[Any, Any, Shape | None]:
    x, weight = a["input"], a["weight"]
    if x.ndim != weight.ndim:
        return x, weight, None
    transposed = bool(a.get("transposed", False))
    try:
        windows = convolution_windows(a, x.shape[2:], weight.shape[2:])
    except NotFollowed:
        return x, weight, None
    groups = a["groups"]
    fits = x.shape[1] == weight.shape[1] * groups
    channels = weight.shape[0]
    if transposed:
        fits, channels = x.shape[1] == weight.shape[0], weight.shape[1] * groups
    spatial = [w.fine if transposed else w.coarse for w in windows]
    return x, weight, (x.shape[0], channels, *spatial) if fits else None


def _transposed(a: Arguments) -> tuple[Any, Any, Shape | None]:
    return _convolution({**a, "transposed": True})


def _linear(a: Arguments) -> tuple[Any, Any, Shape | None]:
    x, weight = a["input"], a["weight"]
    fits = weight.ndim == 2 and x.ndim and x.shape[-1] == weight.shape[1]
    return x, weight, (*x.shape[:-1], weight.shape[0]) if fits else None


def _product(a: Arguments) -> tuple[Any, Any, Shape | None]:
    left, right = (a["mat1"], a["mat2"]) if "mat1" in a else (a["self"], a["mat2"])
    fits = left.shape[1] == right.shape[0]
    return left, right, (left.shape[0], right.shape[1]) if fits else None


_HEAVY: dict[str, Callable[[Arguments], tuple[Any, Any, Shape | None]]] = {
    "aten::convolution": _convolution, "aten::linear": _linear,
    "aten::addmm": _product, "aten::mm": _product,
    **{f"aten::conv{rank}d": _convolution for rank in (1, 2, 3)},
    "aten::conv_transpose1d": _transposed, "aten::conv_transpose2d.input": _transposed,
    "aten::conv_transpose2d": _transposed, "aten::conv_transpose3d": _transposed,
}  # fmt: skip
