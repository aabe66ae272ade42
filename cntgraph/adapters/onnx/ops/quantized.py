"""Quantized operations: the neurons are the values that the whole numbers stand for.

Rounding an activation is no edge: quantizing and dequantizing hand neurons on. A stored weight
stays as it is stored; what it stands for, (q − zero point) · scale, is a recipe. What remains of
an operation of whole numbers is then one of ONNX's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.settings import BIASES, STATIC
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.onnx.weights import along, dequantized
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe

#: Products with a weight that may have steps: where weight, step, zero point and bias are.
_MIXED = {"com.microsoft.DynamicQuantizeMatMul": (1, 2, 3, 4),
          "com.microsoft.MatMulIntegerToFloat": (1, 3, 5, 6)}  # fmt: skip


@handles("QuantizeLinear", "com.microsoft.QuantizeLinear")
def quantize(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on; remember by which step they were rounded."""
    return replace(call.neurons, step=call.inputs[1])


@handles("DequantizeLinear", "com.microsoft.DequantizeLinear", of_weights=True)
def dequantize(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on; stored whole numbers become weights."""
    if isinstance(call.inputs[0], Recipe):
        axis, block = int(call.get("axis", 1)), int(call.get("block_size", 0))
        value, scale = call.inputs[:2]
        return dequantized(t, value, scale, call.input(2), axis, block)
    return replace(call.neurons, step=None, is_index=False)


@handles("DynamicQuantizeLinear")
def quantize_dynamically(t: OnnxTracer, call: Call) -> Any:
    """Hand neurons on; the step that depends on them cancels later on, so that one will do."""
    x = call.inputs[0]
    return [x, np.float32(1.0).reshape(()), np.uint8(0).reshape(())]


@handles("QLinearConv", "QLinearMatMul", *(f"com.microsoft.{name}" for name in STATIC))
def static(t: OnnxTracer, call: Call) -> Any:
    """Do what the operation does to the values that the whole numbers stand for."""
    name = call.node.op_type
    operation = name.removeprefix("QLinear").removeprefix("Q")
    axis = {"Conv": 0, "Gemm": 0 if call.get("transB", 0) else 1}.get(operation, -1)
    values = [_value(t, call, k, axis) for k in STATIC[name]]
    bias = call.input(BIASES.get(name, len(call.inputs)))
    if bias is not None:
        of_x, of_weight = (t.recipe(call.inputs[k]).reshape((-1,)) for k in (1, 4))
        values.append(t.recipe(bias) * (of_x * of_weight * float(call.get("alpha", 1.0))))
    last = bool(call.get("channels_last", 0)) and isinstance(values[0], Nodes)
    if last:
        values[0] = Nodes(np.moveaxis(values[0].ids, -1, 1))
    made = t.perform(call, operation, *values)
    return Nodes(np.moveaxis(made.ids, 1, -1)) if last else made


@handles("com.microsoft.QLinearConcat")
def concatenate(t: OnnxTracer, call: Call) -> Any:
    """Join neurons."""
    parts = range(2, len(call.inputs), 3)
    return t.perform(call, "Concat", *(_value(t, call, k) for k in parts))


def _value(t: OnnxTracer, call: Call, k: int, axis: int = -1) -> Any:
    """Return nodes, or the weight that stored whole numbers stand for, from input k on."""
    value, scale, zero = call.inputs[k : k + 3]
    return value if isinstance(value, Nodes) else dequantized(t, value, scale, zero, axis)


@handles("ConvInteger", "MatMulInteger")
def of_integers(t: OnnxTracer, call: Call) -> Any:
    """Return a product of whole numbers, less their zero points."""
    sides, zeros = call.inputs[:2], (call.input(2), call.input(3))
    axes = (-2, -1) if "MatMul" in call.operation else (0, 0)
    steps = [x.step for x in sides if isinstance(x, Nodes) and x.step is not None]
    values = [
        _from_zero(t, call, x, zero) if isinstance(x, Nodes)
        else dequantized(t, x, None, zero, axis)
        for x, zero, axis in zip(sides, zeros, axes, strict=True)
    ]  # fmt: skip
    # Neurons stand for what was quantized, not for its whole numbers.
    values = [x / t.recipe(steps[0]) if steps and isinstance(x, Recipe) else x for x in values]
    return t.perform(call, call.operation.removesuffix("Integer"), *values)


def _from_zero(t: OnnxTracer, call: Call, x: Nodes, zero: Any) -> Any:
    """Return whole numbers without their zero point; quantized neurons already are."""
    known = isinstance(zero, Recipe) or (isinstance(zero, np.ndarray) and zero.any())
    if x.step is not None or not known:
        return x
    return t.scale(x, None, -t.recipe(zero), f"{call.name}.zero_point")


@handles(*_MIXED)
def mixed(t: OnnxTracer, call: Call) -> Any:
    """Return a product of neurons, rounded on the way, with a quantized weight."""
    weight, scale, zero, bias = (call.input(k) for k in _MIXED[call.operation])
    weight = dequantized(t, weight, scale, zero, -1)
    return t.perform(call, "Gemm", call.inputs[0], weight, bias)


@handles("com.microsoft.MatMulNBits")
def of_few_bits(t: OnnxTracer, call: Call) -> Any:
    """Return a product with a weight of a few bits a value, in blocks along its columns."""
    x, w, scale, zero, order, bias = (call.input(k) for k in range(6))
    if order is not None:
        raise NotFollowed("its columns are in an order of their own")
    n_in, n_out = int(call.get("K", 0)), int(call.get("N", 0))
    block, bits = int(call.get("block_size", 0)), int(call.get("bits", 4))
    n_blocks = -(-n_in // block)
    weight = t.recipe(w).reshape((n_out, -1)).take(1, 0, n_in)
    offset = Recipe.constant(float(1 << (bits - 1)))
    if zero is not None:
        by_row = t.recipe(zero).reshape((n_out, -1)).take(1, 0, n_blocks)
        offset = along(by_row, weight.shape, 1, block)
    step = along(t.recipe(scale).reshape((n_out, n_blocks)), weight.shape, 1, block)
    return t.perform(call, "Gemm", x, ((weight - offset) * step).transpose((1, 0)), bias)
