"""Pooling over windows and over whole axes, statistics, and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, has_channels_last, per_axis
from cntgraph.adapters.keras.windows import same_or_valid
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.types import Ids
from cntgraph.network.blocks import AxisOperator, Window

#: Taps of a pooling window, and edges along one axis of a pooling.
_MAX_TAPS, _MAX_EDGES = 1 << 16, 1 << 26


def pool(
    t: KerasTracer, name: str, x: Nodes, operators: Sequence[AxisOperator], mode: str, *, last: bool
) -> Nodes:
    """Pool the spatial axes; the channels and whatever is folded into the batch stay.

    Parameters
    ----------
    t : KerasTracer
        What the network is built with.
    name : str
        Name of the operation.
    x : Nodes
        Shape (batch, *spatial, channels) or (batch, channels, *spatial).
    operators : sequence of AxisOperator
        One a spatial axis.
    mode : str
        As of `Builder.pool`.
    last : bool
        Whether the channels are last.

    Returns
    -------
    Nodes
    """
    ids = np.moveaxis(x.ids, -1, 1) if last else x.ids
    batch, channels, *spatial = ids.shape
    flat = ids.reshape(batch * channels, *spatial)
    made = t.builder.pool(name, flat, tuple(operators), mode)
    made = made.reshape(batch, channels, *made.shape[1:])
    return Nodes(np.moveaxis(made, 1, -1) if last else made)


@handles("MaxPool", "AveragePool")
def window_pool(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return a pooling over windows; an average divides by the positions that are there."""
    x, last = a["inputs"], has_channels_last(operation)
    sizes = x.ids.shape[1:-1] if last else x.ids.shape[2:]
    taps = per_axis(operation.pool_size, len(sizes))
    strides = per_axis(operation.strides or operation.pool_size, len(sizes))
    if (
        max(taps) > _MAX_TAPS
        or max(n * min(n, k) for n, k in zip(sizes, taps, strict=True)) > _MAX_EDGES
    ):
        raise NotFollowed(f"windows of {max(taps):,} positions on {max(sizes):,}")
    mode = "max" if type(operation).__name__ == "MaxPool" else "average"
    windows = [same_or_valid(n, k, s, 1, operation.padding)
               for n, k, s in zip(sizes, taps, strides, strict=True)]  # fmt: skip
    operators = [_operator(window, mode) for window in windows]
    return pool(t, t.name(operation), x, operators, mode, last=last)


def _operator(window: Window, mode: str) -> AxisOperator:
    if mode == "max":
        return AxisOperator.of_window(window)
    return AxisOperator.of_window(window, np.maximum(window.coarse_cover.sum(axis=0), 1.0))


@handles("AdaptiveMaxPool", "AdaptiveAveragePool")
def adaptive_pool(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return a pooling over windows that make a given number of positions."""
    x, last = a["inputs"], has_channels_last(operation)
    sizes = x.ids.shape[1:-1] if last else x.ids.shape[2:]
    wanted = per_axis(operation.output_size, len(sizes))
    mode = "max" if type(operation).__name__ == "AdaptiveMaxPool" else "average"
    operators = [AxisOperator.adaptive(n, m, average=mode == "average")
                for n, m in zip(sizes, wanted, strict=True)]  # fmt: skip
    return pool(t, t.name(operation), x, operators, mode, last=last)


# -- whole axes -----------------------------------------------------------------------------

_MODES = {"Mean": "average", "Sum": "sum", "Max": "max", "Amax": "max", "Min": "min",
          "Amin": "min"}  # fmt: skip


@handles(*_MODES)
def reduce(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Average, add up, or take an extreme of whole axes."""
    mode = _MODES[type(operation).__name__]
    return reduced(t, operation, a["x"], operation.axis, bool(operation.keepdims), mode)


def reduced(t: KerasTracer, operation: Any, x: Nodes, axis: Any, keep: bool, mode: str) -> Nodes:
    """Pool whole axes away, or to a size of one.

    Raises
    ------
    NotFollowed
        If the batch dimension is among them.
    """
    ndim = x.ids.ndim
    given = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    axes = sorted({int(k) % ndim for k in given})
    if ndim > 1 and 0 in axes and x.ids.shape[0] == 1:
        raise NotFollowed("it mixes the samples of a batch")
    made = pool_axes(t, t.name(operation), x.ids, axes, mode)
    shape = [1 if k in axes else n for k, n in enumerate(x.ids.shape) if keep or k not in axes]
    return Nodes(made.reshape(shape))


def pool_axes(t: KerasTracer, name: str, ids: Ids, axes: Sequence[int], mode: str) -> Ids:
    """Pool axes away; all others are channels of the layer that is made, channels first.

    Parameters
    ----------
    t : KerasTracer
        What the network is built with.
    name : str
        Name of the operation.
    ids : ndarray of int64
    axes : sequence of int
        Those that are pooled.
    mode : str
        As of `Builder.pool`.

    Returns
    -------
    ndarray of int64, the axes that are left in their order
    """
    kept = [axis for axis in range(ids.ndim) if axis not in axes]
    channels = channel_axes(ids, t.builder.layers)
    order = sorted(kept, key=lambda axis: axis not in channels)
    moved = ids.transpose(*order, *axes)
    operators = tuple(
        AxisOperator.adaptive(ids.shape[k], 1, average=mode == "average") for k in axes
    )
    flat = moved.reshape(prod(ids.shape[k] for k in kept), *(ids.shape[k] for k in axes))
    made = t.builder.pool(name, flat, operators, mode)
    return made.reshape([ids.shape[k] for k in order]).transpose(
        [order.index(k) for k in kept]
    )  # fmt: skip


@handles("Var", "Std")
def deviation(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return the variance of whole axes: the mean of the squares of what lies off the mean."""
    keep = bool(operation.keepdims)
    made = _variance(t, operation, a["x"], operation.axis, keep)
    if type(operation).__name__ == "Std":
        t.builder.activate(t.sample(made), "sqrt")
    return made


@handles("Moments")
def moments(t: KerasTracer, operation: Any, a: Arguments) -> list[Nodes]:
    """Return mean and variance of whole axes."""
    keep, axes = bool(operation.keepdims), operation.axes
    mean = reduced(t, operation, a["x"], axes, keep, "average")
    return [mean, _variance(t, operation, a["x"], axes, keep)]


def _variance(t: KerasTracer, operation: Any, x: Nodes, axes: Any, keep: bool) -> Nodes:
    mean = reduced(t, operation, x, axes, True, "average")
    off = arithmetic.add(t, x, mean, t.name(operation), -1.0)
    t.builder.activate(t.sample(off), "pow")
    return reduced(t, operation, off, axes, keep, "average")


@handles("Norm")
def length(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the Euclidean length over axes."""
    if operation.ord not in (None, 2):
        return NotImplemented
    t.builder.activate(t.sample(a["x"]), "pow")
    made = reduced(t, operation, a["x"], operation.axis, bool(operation.keepdims), "sum")
    t.builder.activate(t.sample(made), "sqrt")
    return made


# -- resizing -------------------------------------------------------------------------------


@handles("Resize")
def resize(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return images in another size: nearest pixels are shown again, linear ones are mixed."""
    x, last = a["images"], has_channels_last(operation)
    if x.ids.ndim != 4 or operation.antialias:
        return NotImplemented
    if operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio:
        return NotImplemented
    at = (1, 2) if last else (2, 3)
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
    return pool(t, t.name(operation), x, operators, "linear", last=last)
