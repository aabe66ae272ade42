"""Convolutions, as layers and as operations; kernels have the channels last, images may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import (
    Arguments,
    Nodes,
    Weights,
    has_channels_last,
    is_constant,
    per_axis,
)
from cntgraph.adapters.keras.windows import same_or_valid, transposed
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Window

#: Images of one sample (frames, views) that are convolved one after another.
_MAX_IMAGES = 4096


def convolve(
    t: KerasTracer, name: str, x: Nodes, weight: Recipe, bias: Recipe | None,
    windows: Sequence[Window], *, last: bool, groups: int = 1, transposed: bool = False,
) -> Nodes:  # fmt: skip
    """Apply a convolution to every image that is folded into the batch, usually one.

    Parameters
    ----------
    t : KerasTracer
        What the network is built with.
    name : str
        Name of the operation.
    x : Nodes
        Shape (batch, *spatial, channels) or (batch, channels, *spatial).
    weight : Recipe
        As of `blocks.Conv`.
    bias : Recipe or None
        One value a channel.
    windows : sequence of Window
    last : bool
        Whether the channels are last.
    groups, transposed
        As of `blocks.Conv`.

    Returns
    -------
    Nodes
    """
    if len(x.ids) > _MAX_IMAGES:
        raise NotFollowed(f"it convolves {len(x.ids):,} images one after another")
    options: dict[str, Any] = {"groups": groups, "transposed": transposed}
    made = [
        t.builder.conv(name, channels_first(ids, last), weight, bias, tuple(windows), **options)
        for ids in x.ids
    ]
    stacked = np.stack(made)
    return Nodes(np.moveaxis(stacked, 1, -1) if last else stacked)


def channels_first(ids: Ids, last: bool) -> Ids:
    """Return the ids of one sample with the channels first."""
    return np.moveaxis(ids, -1, 0) if last else ids


def _spatial(x: Nodes, rank: int, last: bool) -> tuple[int, ...]:
    if x.ids.ndim != rank + 2:
        raise NotFollowed(f"an input of {x.ids.ndim} axes, the batch included")
    return x.ids.shape[1:-1] if last else x.ids.shape[2:]


def _dense_kernel(kernel: Recipe) -> Recipe:
    """Return a kernel (*taps, in, out) as (out, in, *taps)."""
    rank = len(kernel.shape) - 2
    return kernel.transpose((rank + 1, rank, *range(rank)))


def _depthwise_kernel(kernel: Recipe) -> Recipe:
    """Return a kernel (*taps, channels, multiplier) as (channels · multiplier, 1, *taps)."""
    *taps, channels, multiplier = kernel.shape
    rank = len(taps)
    moved = kernel.transpose((rank, rank + 1, *range(rank)))
    return moved.reshape((channels * multiplier, 1, *taps))


def _windows(settings: Any, sizes: Sequence[int], kernel: Sequence[int]) -> list[Window]:
    """Return the windows of a layer or an operation over axes of some sizes."""
    rank = len(kernel)
    strides, dilation = (
        per_axis(getattr(settings, key), rank) for key in ("strides", "dilation_rate")
    )
    each = zip(sizes, kernel, strides, dilation, strict=True)
    return [same_or_valid(n, k, s, d, settings.padding) for n, k, s, d in each]


def _convolution(
    t: KerasTracer, settings: Any, name: str, x: Nodes, kernel: Recipe, bias: Recipe | None
) -> Nodes:
    last, taps = has_channels_last(settings), kernel.shape[:-2]
    sizes = _spatial(x, len(taps), last)
    channels = x.ids.shape[-1 if last else 1]
    weight, groups = _dense_kernel(kernel), channels // kernel.shape[-2]
    windows = _windows(settings, sizes, taps)
    return convolve(t, name, x, weight, bias, windows, last=last, groups=groups)


def _depthwise(
    t: KerasTracer, settings: Any, name: str, x: Nodes, kernel: Recipe, bias: Recipe | None
) -> Nodes:
    last, taps = has_channels_last(settings), kernel.shape[:-2]
    windows = _windows(settings, _spatial(x, len(taps), last), taps)
    weight, groups = _depthwise_kernel(kernel), kernel.shape[-2]
    return convolve(t, name, x, weight, bias, windows, last=last, groups=groups)


def _separable(
    t: KerasTracer, settings: Any, name: str, x: Nodes, depthwise: Recipe, pointwise: Recipe,
    bias: Recipe | None,
) -> Nodes:  # fmt: skip
    """Convolve each channel by itself, then mix the channels position by position."""
    last = has_channels_last(settings)
    middle = _depthwise(t, settings, f"{name}.depthwise", x, depthwise, None)
    sizes = _spatial(middle, len(depthwise.shape) - 2, last)
    windows = [Window(n, n, 1) for n in sizes]
    return convolve(t, name, middle, _dense_kernel(pointwise), bias, windows, last=last)


def _transposed(
    t: KerasTracer, settings: Any, name: str, x: Nodes, kernel: Recipe, bias: Recipe | None
) -> Nodes:
    last, taps = has_channels_last(settings), kernel.shape[:-2]
    rank = len(taps)
    strides, dilation = (
        per_axis(getattr(settings, key), rank) for key in ("strides", "dilation_rate")
    )
    extra = settings.output_padding
    extras = (None,) * rank if extra is None else per_axis(extra, rank)
    each = zip(_spatial(x, rank, last), taps, strides, dilation, extras, strict=True)
    windows = [transposed(n, k, s, d, settings.padding, e) for n, k, s, d, e in each]
    # (*taps, out, in) as (in, out, *taps).
    return convolve(t, name, x, _dense_kernel(kernel), bias, windows, last=last, transposed=True)


# -- layers -----------------------------------------------------------------------------------


@handles_layer("BaseConv", "Conv1D", "Conv2D", "Conv3D")
def convolution_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a convolution, and its activation."""
    kernel, bias = layer.kernel, layer.bias if layer.use_bias else None
    if not isinstance(kernel, Weights):
        return NotImplemented
    made = _convolution(t, layer, t.name(), a["inputs"], kernel.recipe, t.optional_recipe(bias))
    return t.apply(layer.activation, made)


@handles_layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a depthwise convolution, and its activation."""
    bias = t.optional_recipe(layer.bias if layer.use_bias else None)
    made = _depthwise(t, layer, t.name(), a["inputs"], layer.kernel.recipe, bias)
    return t.apply(layer.activation, made)


@handles_layer("SeparableConv1D", "SeparableConv2D")
def separable_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a depthwise and a pointwise convolution, and the activation."""
    kernels = layer.depthwise_kernel.recipe, layer.pointwise_kernel.recipe
    bias = t.optional_recipe(layer.bias if layer.use_bias else None)
    return t.apply(layer.activation, _separable(t, layer, t.name(), a["inputs"], *kernels, bias))


@handles_layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a transposed convolution, and its activation."""
    bias = t.optional_recipe(layer.bias if layer.use_bias else None)
    made = _transposed(t, layer, t.name(), a["inputs"], layer.kernel.recipe, bias)
    return t.apply(layer.activation, made)


# -- operations -------------------------------------------------------------------------------


def _checked(a: Arguments, *kernels: str) -> bool:
    """Whether an operation convolves nodes by weights."""
    weights = [a[key] for key in kernels]
    known = all(isinstance(w, Weights) or is_constant(w) for w in weights)
    return isinstance(a["inputs"], Nodes) and known


@handles("Conv")
def convolution(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.conv``."""
    if not _checked(a, "kernel"):
        return NotImplemented
    name = t.name(operation)
    return _convolution(t, operation, name, a["inputs"], t.recipe(a["kernel"]), None)


@handles("DepthwiseConv")
def depthwise(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.depthwise_conv``."""
    if not _checked(a, "kernel"):
        return NotImplemented
    return _depthwise(t, operation, t.name(operation), a["inputs"], t.recipe(a["kernel"]), None)


@handles("SeparableConv")
def separable(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.separable_conv``."""
    if not _checked(a, "depthwise_kernel", "pointwise_kernel"):
        return NotImplemented
    kernels = t.recipe(a["depthwise_kernel"]), t.recipe(a["pointwise_kernel"])
    return _separable(t, operation, t.name(operation), a["inputs"], *kernels, None)


@handles("ConvTranspose")
def transposed_convolution(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.conv_transpose``."""
    if not _checked(a, "kernel"):
        return NotImplemented
    return _transposed(t, operation, t.name(operation), a["inputs"], t.recipe(a["kernel"]), None)
