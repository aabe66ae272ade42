"""Pooling over windows and over whole axes, statistics, and resizing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, has_channels_last
from cntgraph.adapters.keras.windows import channels_first
from cntgraph.adapters.tracing import activations, pooling, reductions
from cntgraph.adapters.tracing.windows import Sliding, per_axis
from cntgraph.network.blocks import AxisOperator, PoolMode

#: By kind of pooling, what does it: over windows, or to given sizes.
_POOLS: dict[str, Callable[..., Any]] = {
    "MaxPool": pooling.max_pool,
    "AveragePool": pooling.average_pool,
    "AdaptiveMaxPool": partial(pooling.adaptive_pool, mode="max"),
    "AdaptiveAveragePool": partial(pooling.adaptive_pool, mode="average"),
}
#: By kind of reduction over whole axes, its mode.
_MODES: dict[str, PoolMode] = {
    "Mean": "average", "Sum": "sum", "Max": "max", "Amax": "max", "Min": "min", "Amin": "min",
}  # fmt: skip
#: By kind of reduction over whole axes, what does it.
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    kind: partial(reductions.reduce_axes, mode=mode) for kind, mode in _MODES.items()
} | {"Logsumexp": partial(reductions.reduce_function, functions=("exp", "log"))}


@handles(*_POOLS, of_weights=True)
def pool(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a pooling over windows; an average divides by the positions that are there."""
    x, name, apply = a["inputs"], t.name(operation), _POOLS[type(operation).__name__]
    adaptive, rank = hasattr(operation, "output_size"), len(x.shape) - 2
    sizes = per_axis(operation.output_size if adaptive else operation.pool_size, rank)
    windows = sizes if adaptive else Sliding(sizes, operation.strides or sizes, operation.padding)
    return channels_first(t, operation, x, len(sizes), lambda y: apply(t, y, windows, name=name))


# -- whole axes -----------------------------------------------------------------------------


@handles(*_REDUCTIONS, of_weights=True)
def reduce(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the mean, the sum, an extreme or the log-sum-exp over whole axes."""
    keep, function = bool(operation.keepdims), _REDUCTIONS[type(operation).__name__]
    return function(t, a["x"], operation.axis, name=t.name(operation), keepdims=keep)


@handles("Var", "Std", "Moments", of_weights=True)
def moments(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the variance of whole axes, its root, or mean and variance."""
    kind, keep = type(operation).__name__, bool(operation.keepdims)
    axes = operation.axes if kind == "Moments" else operation.axis
    mean, variance = reductions.moments(t, a["x"], axes, t.name(operation), keepdims=keep)
    if kind == "Moments":
        return [mean, variance]
    return activations.activate(t, variance, "sqrt") if kind == "Std" else variance


@handles("Norm", of_weights=True)
def length(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the length of vectors over an axis."""
    order, axes = operation.ord, operation.axis
    if order is not None and (isinstance(order, str) or axes is None or len(axes) != 1):
        return NotImplemented  # a norm of matrices
    order, keep = 2.0 if order is None else float(order), bool(operation.keepdims)
    return reductions.norm(t, a["x"], axes, order, t.name(operation), keepdims=keep)


@handles("Cumsum", of_weights=True)
def cumulative_sum(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the sum of everything up to each position."""
    if operation.axis is None:
        return NotImplemented
    return reductions.cumulative(t, a["x"], operation.axis, "sum", t.name(operation))


# -- resizing -------------------------------------------------------------------------------


@handles("Resize")
def resize(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return images in another size: nearest pixels are shown again, linear ones are mixed."""
    x = a["images"]
    cropped = operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio
    if x.ids.ndim != 4 or operation.antialias or cropped:
        return NotImplemented
    at = (1, 2) if has_channels_last(operation) else (2, 3)
    sizes = [(x.ids.shape[k], int(m)) for k, m in zip(at, operation.size, strict=True)]
    if operation.interpolation == "nearest":
        ids = x.ids
        for k, (n, m) in zip(at, sizes, strict=True):
            nearest = np.floor((np.arange(m) + 0.5) * n / m).astype(np.int64)
            ids = np.take(ids, np.minimum(nearest, n - 1), axis=k)
        return Nodes(ids)
    # A smaller size is smoothed, or not, as the backend has it.
    if operation.interpolation != "bilinear" or any(m < n for n, m in sizes):
        return NotImplemented
    operators = [AxisOperator.linear(n, m) for n, m in sizes]
    return channels_first(
        t, operation, x, 2, lambda y: pooling.pool(t, y, operators, "linear", t.name(operation))
    )


@handles("Sort")
def order(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Put neurons in order: whichever comes first, every one may be it."""
    x, axis = a["x"], int(operation.axis)
    return reductions.chosen(t, x, axis, x.ids.shape[axis], t.name(operation))
