"""Layers that are handled whole, so that a weight and its bias belong to one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.keras.contraction import contract, equation_labels
from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, Weights, is_constant
from cntgraph.adapters.keras.values import constant as constant_of
from cntgraph.adapters.tracing import activations
from cntgraph.adapters.tracing.masks import split_mask
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe


@handles_layer("Dense")
def dense(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return y = x W + b on the last axis, and its activation."""
    x, kernel = a["inputs"], _kernel(layer, axis=0)
    if kernel is None or not isinstance(x, Nodes):
        return NotImplemented
    bias = t.optional_recipe(layer.bias)
    made = t.builder.linear(t.name(), t.sample(x), kernel.transpose((1, 0)), bias)
    return t.apply(layer.activation, t.nodes(made, (*x.shape[:-1], kernel.shape[1])))


@handles_layer("EinsumDense")
def einsum_dense(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a sum of products named by letters, plus a bias, and its activation."""
    x, kernel = a["inputs"], _kernel(layer, axis=None)
    if kernel is None or not isinstance(x, Nodes):
        return NotImplemented
    (of_x, of_kernel), labels = equation_labels(layer.equation, [len(x.shape), len(kernel.shape)])
    bias = t.optional_recipe(layer.bias)
    made = contract(t, t.name(), x, of_x, Weights(kernel), of_kernel, labels, bias)
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
    if not isinstance(table, Weights) or operation.axis != 0 or len(table.shape) != 2:
        raise NotFollowed("the data decides what is taken")
    made = t.builder.embed(t.name(operation), t.sample(indices), table.recipe)
    return t.nodes(made, (*indices.shape, table.shape[1]))


@handles("DotProductAttention")
def attention(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return softmax(query keyᵀ) value, heads on the last axis but one; a scale says nothing."""
    query, key, value = (a[name] for name in ("query", "key", "value"))
    if not all(isinstance(x, Nodes) for x in (query, key, value)):
        raise NotFollowed("an attention of constants")
    heads = query.shape[2]
    q, k, v = (_heads_first(x, heads) for x in (query, key, value))
    steps, others = query.shape[1], key.shape[1]
    keep = np.tri(steps, others, dtype=bool) if operation.is_causal else None
    for given, masks in ((a["mask"], _bool_mask), (a["bias"], _additive_mask)):
        found = None if given is None else masks(given)
        if found is not None:
            found = found[0] if found.ndim > 3 and len(query.ids) == 1 else found
            keep = found if keep is None else keep & found
    made = t.builder.attention(t.name(operation), q, k, v, keep)
    made = np.moveaxis(made, -3, -2)
    return t.nodes(made, (*query.shape[:-1], value.shape[-1]))


def _heads_first(x: Nodes, heads: int) -> Any:
    """Return ids of shape (..., heads, positions, features); grouped heads are repeated."""
    ids = np.repeat(x.ids, heads // x.shape[2], axis=2)
    turned = np.moveaxis(ids, -2, -3)
    return turned[0] if len(turned) == 1 else turned


def _bool_mask(mask: Any) -> Any:
    """Return where attention may look; a mask that the data decides keeps everything."""
    return constant_of(mask).astype(bool) if is_constant(mask) else None


def _additive_mask(bias: Any) -> Any:
    values = constant_of(bias) if is_constant(bias) else None
    parts = None if values is None else split_mask(values)
    if parts is None or parts[1].any():
        raise NotFollowed("an attention whose scores have a bias")
    return parts[0]
