"""Layers that are handled whole, so that a weight and its bias belong to one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, is_constant
from cntgraph.adapters.keras.values import constant as constant_of
from cntgraph.adapters.tracing import activations, contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.labels import equation_labels
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data, weights_of


@handles_layer("Dense", "EinsumDense")
def dense(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a sum of products over axes (of Dense, the last one), a bias added, activated."""
    x, kernel = a["inputs"], _kernel(layer)
    if not isinstance(x, Nodes) or weights_of(kernel) is None:
        return NotImplemented
    equation = getattr(layer, "equation", "...i,io->...o")
    (of_x, of_kernel), labels = equation_labels(equation, [len(x.shape), len(kernel.shape)])
    bias = t.optional_recipe(layer.bias)
    made = contraction.contract(t, x, of_x, kernel, of_kernel, labels, t.name(), bias)
    return t.apply(layer.activation, made)


def _kernel(layer: Any) -> Any:
    """Return a layer's weight, dequantised; None where it is computed in another way."""
    if layer.quantization_mode is None:
        return layer.kernel
    if layer.quantization_mode != "int8" or layer.lora_enabled or hasattr(layer, "equation"):
        return None
    return layer._kernel.recipe / layer.kernel_scale.recipe


@handles_layer("Activation")
def activation(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Note an activation function."""
    return t.apply(layer.activation, a["inputs"])


@handles_layer("PReLU")
def prelu(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Note a ReLU whose slope is learned."""
    return activations.activate(t, a["inputs"], "prelu", [layer.alpha])


@handles_layer("Softmax")
def softmax(t: KerasTracer, layer: Any, a: Arguments) -> Nodes:
    """Note a softmax, of what a constant mask leaves."""
    x, mask = a["inputs"], a.get("mask")
    if is_constant(mask):
        keep = np.broadcast_to(constant_of(mask).astype(bool), x.shape)
        x = Nodes(t.builder.mask(x.ids, keep))
    t.builder.activate(t.sample(x), "softmax")
    made: Nodes = x
    return made


@handles_layer("Masking")
def masking(t: KerasTracer, layer: Any, a: Arguments) -> Nodes:
    """Return what comes in: which steps are masked is a matter of the data."""
    x: Nodes = a["inputs"]
    return x


@handles_layer("TimeDistributed")
def each_step(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Apply a layer to every time step: the steps are its batch."""
    x: Nodes = a["inputs"]
    if len(x.ids) != 1:
        raise NotFollowed("a time-distributed layer within another")
    made = t.call_layer(layer.layer, (Nodes(x.ids[0], x.dtype),), {})
    if not isinstance(made, Nodes):
        raise NotFollowed("a time-distributed layer of several outputs")
    return Nodes(made.ids[None])


@handles("DotProductAttention")
def attention(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return softmax(query keyᵀ) value, heads on the last axis but one; a scale says nothing."""
    parts = [a[name] for name in ("query", "key", "value")]
    if not all(isinstance(x, Nodes) for x in parts):
        raise NotFollowed("an attention of constants")
    query, key, value = (Nodes(x.ids.swapaxes(-2, -3)) for x in parts)
    earlier = causal(query.shape[-2], key.shape[-2]) if operation.is_causal else None
    masks = earlier, _mask(a["mask"]), _mask(a["bias"])
    made = attend(t, query, key, value, t.name(operation), masks=masks)
    return Nodes(made.ids.swapaxes(-2, -3))


def _mask(value: Any) -> Any:
    """Return a mask or a bias of scores; one that the data decides is no neurons."""
    return Data(value.shape) if isinstance(value, Nodes) else value
