"""Convolutions, as layers and as operations; kernels have the channels last, images may."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, Weights, is_constant
from cntgraph.adapters.keras.windows import channels_first, sliding_of, transposed_windows
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.recipe import Recipe


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


def _convolved(
    t: KerasTracer, settings: Any, name: str, x: Nodes, weight: Recipe, bias: Recipe | None,
    *, sliding: Sliding | None = None, transposed: bool = False,
) -> Nodes:  # fmt: skip
    """Return a convolution with a weight (out, in / groups, *taps); transposed, (in, out, *taps).

    Its windows slide as the settings say, unless it is said here.
    """
    kernel = weight.shape[2:]
    sliding = sliding or sliding_of(settings, kernel)

    def operation(images: Nodes) -> Any:
        spatial, groups = images.shape[2:], images.shape[1] // weight.shape[1]
        windows = sliding.windows(spatial)
        return convolve(t, images, weight, bias, windows, name, groups=groups)

    def turned(images: Nodes) -> Any:
        windows = transposed_windows(settings, images.shape[2:], kernel)
        return convolve(t, images, weight, bias, windows, name, transposed=True)

    return channels_first(t, settings, x, len(kernel), turned if transposed else operation)


def _separable(
    t: KerasTracer, settings: Any, name: str, x: Nodes, depthwise: Recipe, pointwise: Recipe,
    bias: Recipe | None,
) -> Nodes:  # fmt: skip
    """Convolve each channel by itself, then mix the channels position by position."""
    kernel = _depthwise_kernel(depthwise)
    middle = _convolved(t, settings, f"{name}.depthwise", x, kernel, None)
    mixing = _dense_kernel(pointwise)
    sliding = Sliding(mixing.shape[2:])
    return _convolved(t, settings, name, middle, mixing, bias, sliding=sliding)


# -- layers -----------------------------------------------------------------------------------


@handles_layer("BaseConv", "Conv1D", "Conv2D", "Conv3D")
def convolution_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a convolution, and its activation."""
    kernel, bias = layer.kernel, layer.bias if layer.use_bias else None
    if not isinstance(kernel, Weights):
        return NotImplemented
    weight, bias = _dense_kernel(kernel.recipe), t.optional_recipe(bias)
    made = _convolved(t, layer, t.name(), a["inputs"], weight, bias)
    return t.apply(layer.activation, made)


@handles_layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a depthwise convolution, and its activation."""
    bias = t.optional_recipe(layer.bias if layer.use_bias else None)
    weight = _depthwise_kernel(layer.kernel.recipe)
    made = _convolved(t, layer, t.name(), a["inputs"], weight, bias)
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
    weight = _dense_kernel(layer.kernel.recipe)
    made = _convolved(t, layer, t.name(), a["inputs"], weight, bias, transposed=True)
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
    weight = _dense_kernel(t.recipe(a["kernel"]))
    return _convolved(t, operation, t.name(operation), a["inputs"], weight, None)


@handles("DepthwiseConv")
def depthwise(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.depthwise_conv``."""
    if not _checked(a, "kernel"):
        return NotImplemented
    weight = _depthwise_kernel(t.recipe(a["kernel"]))
    return _convolved(t, operation, t.name(operation), a["inputs"], weight, None)


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
    weight, name = _dense_kernel(t.recipe(a["kernel"])), t.name(operation)
    return _convolved(t, operation, name, a["inputs"], weight, None, transposed=True)
