"""Convolutions in any number of dimensions, transposed or not."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.ops.geometry import (
    idle_axes,
    sliding_of,
    transposed_windows,
    with_axes,
    without,
)
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing import convolution
from cntgraph.core.recipe import Recipe


@handles("Conv")
def conv(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution."""
    return convolve(t, call, t.recipe(call.inputs[1]), t.vector(call.input(2)))


@handles("ConvTranspose")
def conv_transpose(t: OnnxTracer, call: Call) -> Any:
    """Return a transposed convolution."""
    weight = t.recipe(call.inputs[1])
    return convolve(t, call, weight, t.vector(call.input(2)), transposed=True)


def convolve(
    t: OnnxTracer, call: Call, weight: Recipe, bias: Recipe | None, *, transposed: bool = False
) -> Nodes | None:
    """Return the convolution of a call's first input with a weight.

    Parameters
    ----------
    call : Call
        The operation, whose attributes say how the windows slide.
    weight : Recipe
        As ONNX stores it.
    bias : Recipe or None
        One a channel.
    transposed : bool, default False
        Whether it is transposed.
    """
    x = call.inputs[0]
    if not isinstance(x, Nodes) or x.ids.ndim != len(weight.shape) or x.ids.ndim < 3:
        return None
    kernel, spatial = weight.shape[2:], x.shape[2:]
    slide = transposed_windows if transposed else _windows
    windows = slide(call, spatial, kernel)
    idle = idle_axes(call, windows)
    kept = [k for k in range(len(kernel)) if 2 + k not in idle]
    weight = weight.reshape((*weight.shape[:2], *(kernel[k] for k in kept)))
    made = convolution.convolve(
        t, without(x, idle), weight, bias, [windows[k] for k in kept], name_of(weight, call.name),
        groups=int(call.get("group", 1)), transposed=transposed,
    )  # fmt: skip
    return with_axes(made, idle)


def _windows(call: Call, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Any:
    return sliding_of(call, kernel).windows(spatial)
