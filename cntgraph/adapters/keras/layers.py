"""Layers that are handled whole, so that a weight and its bias belong to one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, Weights, is_constant
from cntgraph.adapters.keras.values import constant as constant_of
from cntgraph.adapters.tracing import activations, contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.labels import equation_labels
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe


@handles_layer("Dense")
def dense(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return y = x W + b on the last axis, and its activation."""
    x, kernel = a["inputs"], _kernel(layer, axis=0)
    if kernel is None or not isinstance(x, Nodes):
        return NotImplemented
    bias = t.optional_recipe(layer.bias)
    made = contraction.matmul(t, x, kernel, t.name(), bias)
    return t.apply(layer.activation, made)


@handles_layer("EinsumDense")
def einsum_dense(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a sum of products named by letters, plus a bias, and its activation."""
    x, kernel = a["inputs"], _kernel(layer, axis=None)
    if kernel is None or not isinstance(x, Nodes):
        return NotImplemented
    (of_x, of_kernel), labels = equation_labels(layer.equation, [len(x.shape), len(kernel.shape)])
    bias = t.optional_recipe(layer.bias)
    made = contraction.contract(t, x, of_x, kernel, of_kernel, labels, t.name(), bias)
    return t.apply(layer.activation, made)


def _kernel(layer: Any, axis: int | None) -> Recipe | None:
    """Return a layer's weight, dequantised; None where it is computed in another way."""
    if layer.lora_enabled:
        return None
    if layer.quantization_mode is None:
        return layer.kernel.recipe if isinstance(layer.kernel, Weights) else None
    if layer.quantization_mode != "int8" or axis is None:
        return None
    stored, scale = layer._kernel.recipe, layer.kernel_scale.recipe
    value: Recipe = stored / scale
    return value


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


@handles("Take")
def take(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Look up rows of a table by an integer input: an embedding; else a movement."""
    from cntgraph.adapters.keras.movement import move

    table, indices = a["x"], a["indices"]
    if not isinstance(indices, Nodes):
        return move(t, operation, a)
    if not isinstance(table, Weights) or operation.axis != 0:
        raise NotFollowed("the data decides what is taken")
    return look_up(t, table.recipe, indices, t.name(operation))


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
    return Data(tuple(value.shape)) if isinstance(value, Nodes) else value
