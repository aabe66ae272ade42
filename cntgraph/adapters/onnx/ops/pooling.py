"""Pooling: over windows, and over whole axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.onnx.ops.geometry import sliding_of
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import pooling, reductions
from cntgraph.network.blocks import PoolMode


@handles("MaxPool", "AveragePool", of_weights=True)
def window_pool(t: OnnxTracer, call: Call) -> Any:
    """Take the largest of each window, or its average."""
    x, sliding = call.values, sliding_of(call, call.get("kernel_shape"))
    if len(x.shape) != 2 + len(sliding.kernel):
        return None
    if call.operation == "MaxPool":
        return pooling.max_pool(t, x, sliding, call.name)
    count = bool(call.get("count_include_pad", 0))
    return pooling.average_pool(t, x, sliding, call.name, count_padding=count)


@handles("GlobalAveragePool", "GlobalMaxPool", of_weights=True)
def global_pool(t: OnnxTracer, call: Call) -> Any:
    """Pool all positions of each channel."""
    x = call.values
    if len(x.shape) < 3:
        return None
    mode: PoolMode = "max" if "Max" in call.operation else "average"
    return pooling.adaptive_pool(t, x, [1] * (len(x.shape) - 2), mode, call.name)


# -- over whole axes ------------------------------------------------------------------------------

#: By operation: what is done to each neuron, to what they come together to, and how they do.
_REDUCTIONS: dict[str, tuple[str, PoolMode, str]] = {
    "ReduceMean": ("", "average", ""), "ReduceSum": ("", "sum", ""), "ReduceMax": ("", "max", ""),
    "ReduceMin": ("", "min", ""), "ReduceL1": ("abs", "sum", ""),
    "ReduceL2": ("pow", "sum", "sqrt"), "ReduceSumSquare": ("pow", "sum", ""),
    "ReduceLogSum": ("", "sum", "log"), "ReduceLogSumExp": ("exp", "sum", "log"),
}  # fmt: skip


@handles(*_REDUCTIONS, of_weights=True)
def reduce(t: OnnxTracer, call: Call) -> Any:
    """Pool whole axes away; all of them where none are named."""
    before, mode, after = _REDUCTIONS[call.operation]
    x, given = call.values, call.constant(1, "axes")
    axes = None if given is None else np.ravel(given).tolist()
    if not axes and call.get("noop_with_empty_axes", 0):
        return x
    return reductions.reduce_function(
        t, x, axes or None, (before, after), call.name, mode=mode,
        keepdims=bool(call.get("keepdims", 1)),
    )  # fmt: skip


@handles("CumSum", of_weights=True)
def cumulative_sum(t: OnnxTracer, call: Call) -> Any:
    """Sum everything up to each position."""
    x, axis = call.values, t.array(call.inputs[1])
    if axis is None:
        return None
    reverse, exclusive = (bool(call.get(key, 0)) for key in ("reverse", "exclusive"))
    options = {"reverse": reverse, "exclusive": exclusive}
    return reductions.cumulative(t, x, int(np.ravel(axis)[0]), "sum", call.name, **options)
