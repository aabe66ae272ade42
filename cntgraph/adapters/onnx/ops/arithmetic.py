"""Sums, differences, products and quotients, the largest and the smallest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import arithmetic, contraction

#: What one or two inputs come to, and what any number of them do.
_OF_INPUTS: dict[str, Callable[..., Any]] = {
    "Add": arithmetic.add, "Div": arithmetic.divide, "MatMul": contraction.matmul,
    "Mul": arithmetic.multiply, "Neg": arithmetic.negate, "Sub": partial(arithmetic.add, sign=-1.0),
    "Equal": partial(arithmetic.compare, how="eq"), "Less": partial(arithmetic.compare, how="lt"),
    "LessOrEqual": partial(arithmetic.compare, how="le"),
    "Greater": partial(arithmetic.compare, how="gt"),
    "GreaterOrEqual": partial(arithmetic.compare, how="ge"),
}  # fmt: skip
_OF_SEVERAL: dict[str, Callable[..., Any]] = {
    "Max": partial(arithmetic.extreme, mode="max"), "Mean": arithmetic.mean_of,
    "Min": partial(arithmetic.extreme, mode="min"), "Sum": arithmetic.total,
}  # fmt: skip


@handles(*_OF_INPUTS, of_weights=True)
def of_inputs(t: OnnxTracer, call: Call) -> Any:
    """Return what the inputs come to."""
    return _OF_INPUTS[call.operation](t, *call.inputs, name=call.name)


@handles(*_OF_SEVERAL, of_weights=True)
def of_several(t: OnnxTracer, call: Call) -> Any:
    """Return what any number of inputs come to."""
    return _OF_SEVERAL[call.operation](t, call.inputs, name=call.name)
