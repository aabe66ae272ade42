"""Operations of onnxruntime's own domain: fused ones, and quantised ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.ops.affine import gemm, product
from cntgraph.adapters.onnx.ops.convolution import conv
from cntgraph.adapters.onnx.ops.movement import move
from cntgraph.adapters.onnx.ops.norms import data_norm
from cntgraph.adapters.onnx.ops.pooling import global_pool, reduce, window_pool
from cntgraph.adapters.onnx.ops.quantised import dequantize, quantize
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.onnx.weights import along, dequantized
from cntgraph.adapters.tracing import activations, arithmetic, contraction
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.network.activations import activation_name

handles("com.microsoft.QuantizeLinear")(quantize)
handles("com.microsoft.DequantizeLinear")(dequantize)


# -- fused ----------------------------------------------------------------------------------------


@handles("com.microsoft.FusedMatMul")
def fused_mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return alpha · A B, either transposed."""
    if call.get("transBatchA", 0) or call.get("transBatchB", 0):
        raise NotFollowed("it moves the batch")
    return product(t, call)


@handles("com.microsoft.FusedGemm")
def fused_gemm(t: OnnxTracer, call: Call) -> Any:
    """Return an activation of a product."""
    return _activated(t, call, gemm(t, call))


@handles("com.microsoft.FusedConv")
def fused_conv(t: OnnxTracer, call: Call) -> Any:
    """Return an activation of a convolution, to which something may be added."""
    made = conv(t, replace(call, inputs=call.inputs[:3]))
    if made is not None and call.input(3) is not None:
        made = arithmetic.add(t, made, call.inputs[3], f"{call.name}.add")
    return _activated(t, call, made)


def _activated(t: OnnxTracer, call: Call, made: Any) -> Any:
    activation = str(call.get("activation", ""))
    if made is None or not activation:
        return made
    if activation == "Clip":
        return activations.clamp(t, made, *call.get("activation_params"))
    return activations.activate(t, made, activation_name(activation))


@handles("com.microsoft.EmbedLayerNormalization")
def embed_norm(t: OnnxTracer, call: Call) -> Any:
    """Add the embeddings of words, positions and segments, then normalise."""
    tokens, segments, words, places, kinds, gain, shift, mask, given = (
        call.input(k) for k in range(9)
    )
    if not isinstance(tokens, Nodes) or given is not None:
        return None
    made = look_up(t, t.recipe(words), tokens, call.name)
    if segments is not None and kinds is not None:
        made = _with_segments(t, made, segments, t.recipe(kinds), call.name)
    position = t.recipe(places).take(0, 0, tokens.shape[-1])
    total = t.scale(made, None, position, f"{call.name}.positions")
    return [data_norm(t, total, gain, shift, call.name, "layer_norm"), mask, total]


def _with_segments(t: OnnxTracer, x: Nodes, segments: Any, table: Recipe, name: str) -> Any:
    if isinstance(segments, Nodes):
        embedded = look_up(t, table, segments, f"{name}.segments")
        return arithmetic.add_branches(t, [x, embedded], f"{name}.add")
    if isinstance(segments, Data):
        raise NotFollowed("its segments are computed from the input")
    chosen = concrete(segments)
    rows = table.gather(0, np.ravel(chosen[:1])).reshape((*chosen.shape[1:], -1))
    return t.scale(x, None, rows, f"{name}.segments")


# -- quantised ------------------------------------------------------------------------------------


def _value(t: OnnxTracer, call: Call, k: int) -> Any:
    """Return nodes, or the weight that stored whole numbers stand for, from input k on."""
    value, scale, zero = call.inputs[k : k + 3]
    return value if isinstance(value, Nodes) else dequantized(t.recipe, value, scale, zero, -1)


@handles("com.microsoft.QLinearAdd")
def add(t: OnnxTracer, call: Call) -> Any:
    """Return x + y."""
    return arithmetic.add(t, _value(t, call, 0), _value(t, call, 3), call.name)


@handles("com.microsoft.QLinearMul")
def multiply(t: OnnxTracer, call: Call) -> Any:
    """Return x · y."""
    return arithmetic.multiply(t, _value(t, call, 0), _value(t, call, 3), call.name)


@handles("com.microsoft.QLinearConcat")
def concatenate(t: OnnxTracer, call: Call) -> Any:
    """Join neurons."""
    parts = [_value(t, call, k) for k in range(2, len(call.inputs), 3)]
    node = type(call.node)(op_type="Concat", output=call.node.output,
                           input=[f"p{k}" for k in range(len(parts))])  # fmt: skip
    node.attribute.extend(a for a in call.node.attribute if a.name == "axis")
    return move(t, replace(call, node=node, inputs=parts), range(len(parts)))


@handles("com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool",
         "com.microsoft.QLinearReduceMean")  # fmt: skip
def pool(t: OnnxTracer, call: Call) -> Any:
    """Average over windows, or over whole axes."""
    x = replace(call, inputs=call.inputs[:1])
    if not isinstance(x.inputs[0], Nodes):
        return None
    if call.operation.endswith("ReduceMean"):
        return reduce(t, x)
    last = bool(call.get("channels_last", 0))
    if last:
        x = replace(x, inputs=[Nodes(np.moveaxis(x.inputs[0].ids, -1, 1))])
    made = global_pool(t, x) if "Global" in call.operation else window_pool(t, x)
    return Nodes(np.moveaxis(made.ids, 1, -1)) if last and made is not None else made


@handles(*(f"com.microsoft.QLinear{name}" for name in ("LeakyRelu", "Sigmoid", "Softmax")))
def activate(t: OnnxTracer, call: Call) -> Any:
    """Apply an activation to whole numbers, whose scales say nothing."""
    name = activation_name(call.node.op_type.removeprefix("QLinear"))
    return activations.activate(t, call.inputs[0], name)


@handles("com.microsoft.QGemm")
def quantised_gemm(t: OnnxTracer, call: Call) -> Any:
    """Return alpha · A B + C with a quantised weight."""
    a, a_scale = call.inputs[:2]
    alpha = float(call.get("alpha", 1.0))
    if not isinstance(a, Nodes) or isinstance(call.inputs[3], Nodes):
        return None
    axis = 0 if call.get("transB", 0) else 1
    b, b_scale, b_zero = call.inputs[3:6]
    weight = dequantized(t.recipe, b, b_scale, b_zero, axis)
    bias = call.input(6)
    if bias is not None:
        steps = t.recipe(a_scale).reshape((-1,)) * t.recipe(call.inputs[4]).reshape((-1,))
        bias = t.recipe(bias) * (steps * alpha)
    inputs = [a, weight, *([] if bias is None else [bias])]
    return gemm(t, replace(call, inputs=inputs))


@handles("com.microsoft.DynamicQuantizeMatMul")
def dynamic_mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return a product of neurons, rounded on the way, with a quantised weight."""
    x, w, scale, zero, bias = (call.input(k) for k in range(5))
    return _product(t, call, x, dequantized(t.recipe, w, scale, zero, -1), bias)


@handles("com.microsoft.MatMulIntegerToFloat")
def integer_mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return a product of quantised neurons with a quantised weight."""
    x, w, _, scale, _, zero, bias = (call.input(k) for k in range(7))
    if isinstance(w, Nodes):
        return None
    return _product(t, call, x, dequantized(t.recipe, w, scale, zero, -1), bias)


@handles("com.microsoft.MatMulNBits")
def few_bits_mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return a product with a weight of a few bits a value, in blocks along its columns."""
    x, w, scale, zero, order, bias = (call.input(k) for k in range(6))
    if not isinstance(x, Nodes) or isinstance(w, Nodes):
        return None
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
    return _product(t, call, x, ((weight - offset) * step).transpose((1, 0)), bias)


def _product(t: OnnxTracer, call: Call, x: Any, weight: Recipe, bias: Any) -> Any:
    return contraction.matmul(t, x, weight, call.name, None if bias is None else t.recipe(bias))
