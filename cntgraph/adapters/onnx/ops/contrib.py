"""Operations that are several others in one: most of them are onnxruntime's."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed


@handles("com.microsoft.FusedMatMul", "com.microsoft.FusedGemm")
def fused_product(t: OnnxTracer, call: Call) -> Any:
    """Return an activation of a product."""
    if call.get("transBatchA", 0) or call.get("transBatchB", 0):
        raise NotFollowed("it moves the batch")
    return _activated(t, call, t.perform(call, "Gemm", *call.inputs))


@handles("com.microsoft.FusedConv")
def fused_conv(t: OnnxTracer, call: Call) -> Any:
    """Return an activation of a convolution, to which something may be added."""
    made = t.perform(call, "Conv", *call.inputs[:3])
    if call.input(3) is not None:
        made = t.perform(call, "Add", made, call.inputs[3], label="add")
    return _activated(t, call, made)


def _activated(t: OnnxTracer, call: Call, made: Any) -> Any:
    activation = str(call.get("activation", ""))
    bounds = call.get("activation_params") if activation == "Clip" else ()
    return t.perform(call, activation, made, *bounds) if activation else made


@handles("com.microsoft.BiasGelu")
def bias_gelu(t: OnnxTracer, call: Call) -> Any:
    """Add a bias, and apply a GELU."""
    return t.perform(call, "Gelu", t.perform(call, "Add", *call.inputs))


@handles("SwiGLU")
def swiglu(t: OnnxTracer, call: Call) -> Any:
    """Multiply by a SiLU of neurons."""
    gate, x = call.inputs[:2]
    return t.perform(call, "Mul", t.perform(call, "Swish", gate), x)


@handles("com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization")
def skip_norm(t: OnnxTracer, call: Call) -> Any:
    """Add a skip connection and a bias, then normalize; the sum is handed on, too."""
    norm = call.node.op_type.removeprefix("Skip")
    x, skip, gain, *others = call.inputs
    shifts = [] if "Simplified" in norm else others[:1]
    total = t.perform(call, "Add", x, skip, label="add")
    for bias in others[len(shifts) :]:
        total = t.perform(call, "Add", total, bias, label="bias")
    return [t.perform(call, norm, total, gain, *shifts), None, None, total]


@handles("com.microsoft.EmbedLayerNormalization")
def embed_norm(t: OnnxTracer, call: Call) -> Any:
    """Add the embeddings of words, positions and segments, then normalize."""
    tokens, segments, words, places, kinds, gain, shift, mask, given = (
        call.input(k) for k in range(9)
    )
    if not isinstance(tokens, Nodes) or given is not None:
        return None
    made = t.perform(call, "Gather", words, tokens)
    if segments is not None and kinds is not None:
        embedded = t.perform(call, "Gather", kinds, segments, label="segments")
        made = t.perform(call, "Add", made, embedded, label="add")
    position = t.recipe(places).take(0, 0, tokens.shape[-1])
    total = t.perform(call, "Add", made, position, label="positions")
    return [t.perform(call, "LayerNormalization", total, gain, shift), mask, total]
