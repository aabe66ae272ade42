"""Convolutions, as layers and as operations; kernels have the channels last, images may."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes
from cntgraph.adapters.keras.windows import channels_first, sliding_of, transposed_sliding_of
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
    t: KerasTracer, settings: Any, name: str, x: Any, weight: Recipe, bias: Recipe | None,
    *, sliding: Sliding | None = None, transposed: bool = False,
) -> Any:  # fmt: skip
    """Return a convolution with a weight (out, in / groups, *taps); transposed, (in, out, *taps).

    Its windows slide as the settings say, unless it is said here.
    """
    kernel = weight.shape[2:]
    slides = sliding or (transposed_sliding_of if transposed else sliding_of)(settings, kernel)

    def convolved(images: Nodes) -> Any:
        groups = 1 if transposed else images.shape[1] // weight.shape[1]
        return convolve(t, images, weight, bias, slides, name, groups=groups, transposed=transposed)

    return channels_first(t, settings, x, len(kernel), convolved)


# -- layers, which have weights and an activation, and operations, which are given kernels --------


def _weight(t: KerasTracer, settings: Any, a: Arguments, name: str) -> Recipe:
    return t.recipe(a[name] if name in a else getattr(settings, name))


def _bias(t: KerasTracer, settings: Any) -> Recipe | None:
    return t.optional_recipe(getattr(settings, "bias", None))


def _convolution(
    t: KerasTracer, settings: Any, a: Arguments, kernel_of: Callable[[Recipe], Recipe],
    *, transposed: bool = False,
) -> Any:  # fmt: skip
    """Return a convolution, and its activation."""
    if not isinstance(a["inputs"], Nodes) and "kernel" not in a:
        return NotImplemented
    weight, name = kernel_of(_weight(t, settings, a, "kernel")), t.name(settings)
    bias = _bias(t, settings)
    made = _convolved(t, settings, name, a["inputs"], weight, bias, transposed=transposed)
    return t.apply(getattr(settings, "activation", None), made)


_dense = partial(_convolution, kernel_of=_dense_kernel)
_depthwise = partial(_convolution, kernel_of=_depthwise_kernel)
_transposed = partial(_convolution, kernel_of=_dense_kernel, transposed=True)
handles_layer("BaseConv", "Conv1D", "Conv2D", "Conv3D")(_dense)
handles_layer("DepthwiseConv1D", "DepthwiseConv2D")(_depthwise)
handles_layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")(_transposed)
handles("Conv", of_weights=True)(_dense)
handles("DepthwiseConv", of_weights=True)(_depthwise)
handles("ConvTranspose", of_weights=True)(_transposed)


@handles_layer("SeparableConv1D", "SeparableConv2D")
@handles("SeparableConv")
def separable(t: KerasTracer, settings: Any, a: Arguments) -> Any:
    """Convolve each channel by itself, then mix the channels position by position."""
    if not isinstance(a["inputs"], Nodes):
        return NotImplemented
    kernel = _depthwise_kernel(_weight(t, settings, a, "depthwise_kernel"))
    mixing = _dense_kernel(_weight(t, settings, a, "pointwise_kernel"))
    name, sliding = t.name(settings), Sliding(mixing.shape[2:])
    middle = _convolved(t, settings, f"{name}.depthwise", a["inputs"], kernel, None)
    bias = _bias(t, settings)
    made = _convolved(t, settings, name, middle, mixing, bias, sliding=sliding)
    return t.apply(getattr(settings, "activation", None), made)
