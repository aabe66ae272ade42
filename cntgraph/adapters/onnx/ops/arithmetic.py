"""Sums, differences, products and quotients, the largest and the smallest."""

from __future__ import annotations

from functools import partial
from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import arithmetic


@handles("Add")
def add(t: OnnxTracer, call: Call) -> Any:
    """Return x + y."""
    return arithmetic.add(t, call.inputs[0], call.inputs[1], call.name)


@handles("Sub")
def subtract(t: OnnxTracer, call: Call) -> Any:
    """Return x - y."""
    return arithmetic.add(t, call.inputs[0], call.inputs[1], call.name, -1.0)


@handles("Neg")
def negative(t: OnnxTracer, call: Call) -> Any:
    """Return -x."""
    return arithmetic.negate(t, call.inputs[0], call.name)


@handles("Mul")
def multiply(t: OnnxTracer, call: Call) -> Any:
    """Return x · y."""
    return arithmetic.multiply(t, call.inputs[0], call.inputs[1], call.name)


@handles("Div")
def divide(t: OnnxTracer, call: Call) -> Any:
    """Return x / y."""
    return arithmetic.divide(t, call.inputs[0], call.inputs[1], call.name)


@handles("Sum")
def total(t: OnnxTracer, call: Call) -> Any:
    """Return the sum of several values."""
    return arithmetic.total(t, call.inputs, call.name)


@handles("Mean")
def mean(t: OnnxTracer, call: Call) -> Any:
    """Return the mean of several values."""
    return arithmetic.mean_of(t, call.inputs, call.name)


def _extreme(t: OnnxTracer, call: Call, mode: str) -> Any:
    return arithmetic.extreme(t, call.inputs, mode, call.name)


handles("Max")(partial(_extreme, mode="max"))
handles("Min")(partial(_extreme, mode="min"))
