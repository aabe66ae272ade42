"""Convolutions in any number of dimensions, transposed or not."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.ops.geometry import extra_of, sliding_of, transposed_sliding_of
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import convolution


@handles("Conv", "ConvTranspose", of_weights=True)
def conv(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution."""
    x, weight, bias = call.values, t.recipe(call.inputs[1]), t.vector(call.input(2))
    if len(x.shape) != len(weight.shape) or len(x.shape) < 3:
        return None
    kernel, transposed = weight.shape[2:], call.operation == "ConvTranspose"
    sliding = (transposed_sliding_of(call, kernel, x.shape[2:]) if transposed
               else sliding_of(call, kernel))  # fmt: skip
    return convolution.convolve(
        t, x, weight, bias, sliding, call.name, groups=int(call.get("group", 1)),
        transposed=transposed, extra=extra_of(call),
    )  # fmt: skip
