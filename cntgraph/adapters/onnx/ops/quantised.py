"""Quantised operations: the neurons are the values that the whole numbers stand for.

Rounding an activation is no edge: quantising and dequantising hand neurons on. A stored weight
stays as it is stored; what it stands for, (q − zero point) · scale, is a recipe.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.ops.convolution import convolve
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.onnx.weights import dequantized
from cntgraph.adapters.tracing import contraction
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe


@handles("QuantizeLinear")
def quantize(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on; remember by which step they were rounded."""
    x, step = call.inputs[:2]
    return replace(x, step=step) if isinstance(x, Nodes) else None


@handles("DequantizeLinear")
def dequantize(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on."""
    x = call.inputs[0]
    return replace(x, step=None, is_index=False) if isinstance(x, Nodes) else None


@handles("DynamicQuantizeLinear")
def quantize_dynamically(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on; the step that depends on them cancels later on, so that one will do."""
    x = call.inputs[0]
    return (
        [x, np.float32(1.0).reshape(()), np.uint8(0).reshape(())] if isinstance(x, Nodes) else None
    )


@handles("QLinearConv")
def conv(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution with a quantised weight."""
    x, x_scale, _, w, w_scale, w_zero = call.inputs[:6]
    if not isinstance(x, Nodes) or isinstance(w, Nodes):
        return None
    bias = call.input(8)
    if bias is not None:
        steps = t.recipe(x_scale).reshape((-1,)) * t.recipe(w_scale).reshape((-1,))
        bias = t.recipe(bias) * steps
    return convolve(t, call, dequantized(t.recipe, w, w_scale, w_zero, 0), bias)


@handles("QLinearMatMul")
def mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return a matrix product with a quantised weight, or of neurons with neurons."""
    sides = (call.inputs[0:3], call.inputs[3:6])
    left, right = (
        value if isinstance(value, Nodes) else dequantized(t.recipe, value, scale, zero, -1)
        for value, scale, zero in sides
    )
    return contraction.matmul(t, left, right, call.name)


@handles("ConvInteger")
def conv_of_integers(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution of whole numbers."""
    x, w, w_zero = call.inputs[0], call.inputs[1], call.input(3)
    if not isinstance(x, Nodes) or isinstance(w, Nodes):
        return None
    shifted = _from_zero(t, call, x, call.input(2))
    weight = _by_step(t, dequantized(t.recipe, w, None, w_zero, 0), x)
    return convolve(t, replace(call, inputs=[shifted, *call.inputs[1:]]), weight, None)


@handles("MatMulInteger")
def mat_mul_of_integers(t: OnnxTracer, call: Call) -> Any:
    """Return a matrix product of whole numbers."""
    left, right = call.inputs[:2]
    zeros = [call.input(2), call.input(3)]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return contraction.matmul(t, left, right, call.name)
    if isinstance(left, Nodes):
        shifted = _from_zero(t, call, left, zeros[0])
        weight = _by_step(t, dequantized(t.recipe, right, None, zeros[1], -1), left)
        return contraction.matmul(t, shifted, weight, call.name)
    shifted = _from_zero(t, call, right, zeros[1])
    weight = _by_step(t, dequantized(t.recipe, left, None, zeros[0], -2), right)
    return contraction.matmul(t, weight, shifted, call.name)


def _by_step(t: OnnxTracer, weight: Recipe, x: Nodes) -> Recipe:
    """Return a weight for neurons that stand for what was quantised, not for its whole numbers."""
    return weight if x.step is None else weight / t.recipe(x.step)


def _from_zero(t: OnnxTracer, call: Call, x: Nodes, zero: Any) -> Any:
    """Return whole numbers without their zero point; quantised neurons already are."""
    known = isinstance(zero, Recipe | np.ndarray) and not isinstance(zero, Data)
    if x.step is not None or not known or (isinstance(zero, np.ndarray) and not zero.any()):
        return x
    offset = -t.recipe(zero)
    return t.scale(x, None, offset, f"{call.name}.zero_point")
