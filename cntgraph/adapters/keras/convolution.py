"""Convolutions, as layers and as operations; kernels have the channels last, images may."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, Weights, is_constant
from cntgraph.adapters.keras.windows import channels_first, sliding_of, transposed_windows
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.recipe import Recipe

KernelOf = Callable[[Recipe], Recipe]


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


# -- layers, and operations of the same names ---------------------------------------------------


def _layer(
    t: KerasTracer, layer: Any, a: Arguments, kernel_of: KernelOf, *, transposed: bool = False
) -> Any:
    """Return a convolution, and its activation."""
    if not isinstance(layer.kernel, Weights):
        return NotImplemented
    weight, bias = kernel_of(layer.kernel.recipe), _bias(t, layer)
    made = _convolved(t, layer, t.name(), a["inputs"], weight, bias, transposed=transposed)
    return t.apply(layer.activation, made)


def _operation(
    t: KerasTracer, operation: Any, a: Arguments, kernel_of: KernelOf, *, transposed: bool = False
) -> Any:
    """Return an operation of ``keras.ops`` that convolves nodes by weights."""
    if not _checked(a, "kernel"):
        return NotImplemented
    weight, name = kernel_of(t.recipe(a["kernel"])), t.name(operation)
    return _convolved(t, operation, name, a["inputs"], weight, None, transposed=transposed)


handles_layer("BaseConv", "Conv1D", "Conv2D", "Conv3D")(partial(_layer, kernel_of=_dense_kernel))
handles_layer("DepthwiseConv1D", "DepthwiseConv2D")(partial(_layer, kernel_of=_depthwise_kernel))
handles_layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")(
    partial(_layer, kernel_of=_dense_kernel, transposed=True)
)
handles("Conv")(partial(_operation, kernel_of=_dense_kernel))
handles("DepthwiseConv")(partial(_operation, kernel_of=_depthwise_kernel))
handles("ConvTranspose")(partial(_operation, kernel_of=_dense_kernel, transposed=True))


@handles_layer("SeparableConv1D", "SeparableConv2D")
def separable_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a depthwise and a pointwise convolution, and the activation."""
    kernels = layer.depthwise_kernel.recipe, layer.pointwise_kernel.recipe
    made = _separable(t, layer, t.name(), a["inputs"], *kernels, _bias(t, layer))
    return t.apply(layer.activation, made)


@handles("SeparableConv")
def separable(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return ``keras.ops.separable_conv``."""
    if not _checked(a, "depthwise_kernel", "pointwise_kernel"):
        return NotImplemented
    kernels = t.recipe(a["depthwise_kernel"]), t.recipe(a["pointwise_kernel"])
    return _separable(t, operation, t.name(operation), a["inputs"], *kernels, None)


def _bias(t: KerasTracer, layer: Any) -> Recipe | None:
    return t.recipe(layer.bias) if layer.use_bias else None


def _checked(a: Arguments, *kernels: str) -> bool:
    """Whether an operation convolves nodes by weights."""
    weights = [a[key] for key in kernels]
    known = all(isinstance(w, Weights) or is_constant(w) for w in weights)
    return isinstance(a["inputs"], Nodes) and known
