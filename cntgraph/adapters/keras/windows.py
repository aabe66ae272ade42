"""From Keras' settings to how windows slide, and images with the channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import has_channels_last
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import weights_of
from cntgraph.adapters.tracing.windows import Pads, Sizes, Sliding, per_axis


def channels_first(
    t: KerasTracer, settings: Any, x: Any, rank: int, operation: Callable[[Any], Any]
) -> Any:
    """Apply what has the channels before the positions, wherever the settings say they are.

    Parameters
    ----------
    settings : Layer or Operation
        Says where the channels are.
    x : Nodes or weights
        Shape (batch, *positions, channels) or (batch, channels, *positions).
    rank : int
        Number of axes of positions.
    operation : callable
        From nodes to nodes of shape (batch, channels, *positions).
    """
    if len(x.shape) != rank + 2:
        raise NotFollowed(f"an input of {len(x.shape)} axes, the batch included")
    if not has_channels_last(settings):
        return operation(x)
    recipe = weights_of(x)
    if recipe is not None:
        places = range(1, rank + 1)
        made = operation(recipe.transpose((0, rank + 1, *places)))
        return made.transpose((0, *(k + 1 for k in places), 1))
    made = operation(t.neurons(np.moveaxis(x.ids, -1, 1), like=x))
    return t.neurons(np.moveaxis(made.ids, 1, -1), like=made)


def sliding_of(settings: Any, kernel: Sizes) -> Sliding:
    """Return how the windows of a convolution slide."""
    return Sliding(kernel, settings.strides, settings.padding, settings.dilation_rate)


def transposed_sliding_of(settings: Any, kernel: Sizes) -> Sliding:
    """Return how the windows of a transposed convolution slide."""
    rank, extra = len(kernel), settings.output_padding
    strides, dilation = (
        per_axis(getattr(settings, key), rank) for key in ("strides", "dilation_rate")
    )
    extras = (None,) * rank if extra is None else per_axis(extra, rank)
    each = zip(kernel, strides, dilation, extras, strict=True)
    pads = [_transposed_pads(k, s, d, settings.padding, e) for k, s, d, e in each]
    return Sliding(kernel, strides, pads, dilation)


def _transposed_pads(
    kernel: int, stride: int, dilation: int, padding: str, extra: int | None
) -> Pads:
    """Return what a transposed convolution cuts off in front and behind.

    Position i writes to i · stride + t · dilation, less as much as lies before what JAX pads the
    dilated input with. Keras' ``output_padding`` decides the size, if there is one; else, with
    ``"same"``, n · stride positions come out.
    """
    reach = dilation * (kernel - 1) + 1
    if padding == "valid":
        total = 2 * (reach - 1) + (max(reach, stride) - reach if extra is None else extra)
        front = reach - 1
    else:
        total = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
        front = min(-(-total // 2), reach - 1)
    return reach - 1 - front, reach - 1 - (total - front)
