"""Convolutions in any number of dimensions, transposed or not."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.ops.geometry import sliding_of, transposed_windows
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import convolution


@handles("Conv", "ConvTranspose", of_weights=True)
def conv(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution."""
    x, weight, bias = call.values, t.recipe(call.inputs[1]), t.vector(call.input(2))
    if len(x.shape) != len(weight.shape) or len(x.shape) < 3:
        return None
    kernel, spatial = weight.shape[2:], x.shape[2:]
    transposed = call.operation == "ConvTranspose"
    windows = (transposed_windows(call, spatial, kernel) if transposed
               else sliding_of(call, kernel).windows(spatial))  # fmt: skip
    return convolution.convolve(
        t, x, weight, bias, windows, t.name_of(weight, call.name),
        groups=int(call.get("group", 1)), transposed=transposed,
    )  # fmt: skip
