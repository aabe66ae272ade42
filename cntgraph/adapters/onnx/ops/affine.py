"""Matrix products: of nodes with weights, and of nodes with nodes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError, find
from cntgraph.core.recipe import Recipe


@handles("Gemm")
def gemm(t: OnnxTracer, call: Call) -> Any:
    """Return alpha · A B + beta · C."""
    a, b, c = (call.input(k) for k in range(3))
    if not isinstance(a, Nodes) or isinstance(b, Nodes):
        return _gemm_of_nodes(t, call) if isinstance(b, Nodes) else None
    x = Nodes(a.ids.T) if call.get("transA", 0) else a
    weight = t.recipe(b) if call.get("transB", 0) else t.recipe(b).transpose((1, 0))
    alpha, beta = float(call.get("alpha", 1.0)), float(call.get("beta", 1.0))
    weight = weight if alpha == 1.0 else weight * alpha
    name = name_of(weight, call.name)
    if isinstance(c, Nodes):
        made = t.linear(x, weight, None, name)
        scaled = c if beta == 1.0 else t.scale(
            c, Recipe.constant(beta), None, f"{name}.beta", parametric=False)  # fmt: skip
        return arithmetic.add(t, made, scaled, call.name)
    bias = t.vector(c)
    bias = bias if bias is None or beta == 1.0 else bias * beta
    if bias is not None and prod(bias.shape) != weight.shape[0]:
        return t.scale(t.linear(x, weight, None, name), None, bias, call.name)
    return t.linear(x, weight, None if bias is None else bias.reshape((-1,)), name)


def _gemm_of_nodes(t: OnnxTracer, call: Call) -> Any:
    """Return a product of which the right side is nodes."""
    left, right, addend = (call.input(k) for k in range(3))
    left, right = (
        (Nodes(v.ids.T) if isinstance(v, Nodes) else t.recipe(v).transpose((1, 0)))
        if call.get(key, 0) else v
        for v, key in ((left, "transA"), (right, "transB"))
    )  # fmt: skip
    made = product(t, left, right, call.name)
    if made is None or float(call.get("alpha", 1.0)) != 1.0 or addend is None:
        return made
    return arithmetic.add(t, made, addend, call.name)


@handles("MatMul")
def mat_mul(t: OnnxTracer, call: Call) -> Any:
    """Return a matrix product over the last axis and the last but one."""
    return product(t, call.inputs[0], call.inputs[1], call.name)


def product(t: OnnxTracer, left: Any, right: Any, name: str) -> Any:
    """Return the matrix product of two values of which at least one is nodes.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    left, right : Nodes, Recipe or ndarray
        What is multiplied.
    name : str
        A name for what it makes.

    Returns
    -------
    Nodes or None
    """
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return product_of_nodes(t, left, right, name)
    if isinstance(right, Nodes):
        return _from_left(t, t.recipe(left), right, name)
    weight, x = t.recipe(right), left
    if len(weight.shape) == 1:
        made = t.linear(x, weight.reshape((1, -1)), None, name_of(weight, name))
        return Nodes(made.ids[..., 0])
    if prod(weight.shape[:-2]) == 1:
        matrix = weight.reshape(weight.shape[-2:]).transpose((1, 0))
        made = t.linear(x, matrix, None, name_of(weight, name))
        extra = len(weight.shape) - len(x.shape)
        return made if extra <= 0 else Nodes(made.ids.reshape((1,) * extra + made.shape))
    return by_heads(t, x, weight, name)


def product_of_nodes(t: OnnxTracer, left: Nodes, right: Nodes, name: str) -> Nodes | None:
    """Return the product of nodes with nodes: attention, or scores that only modulate."""
    if min(left.ids.ndim, right.ids.ndim) < 2:
        return None
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    wide = [np.broadcast_to(x.ids, (*lead, *x.shape[-2:])) for x in (left, right)]
    samples, theirs = (find(ids, t.n_samples) for ids in wide)
    one = samples if samples.axis is not None else theirs
    if not samples.agrees(theirs) or (one.axis is not None and one.axis >= len(lead)):
        raise MixedSamplesError
    return Nodes(one.spread(t.builder.matmul(name, *(one.first(ids) for ids in wide))))


def _from_left(t: OnnxTracer, weight: Recipe, x: Nodes, name: str) -> Any:
    """Return W x for a matrix W: it mixes the positions of the last axis but one."""
    if len(weight.shape) < 2 or len(x.shape) < 2:
        return None
    name = name_of(weight, name)
    if prod(weight.shape[:-2]) != 1:
        turned = tuple(range(len(weight.shape) - 2))
        flipped = weight.transpose((*turned, len(weight.shape) - 1, len(weight.shape) - 2))
        made = by_heads(t, Nodes(x.ids.swapaxes(-1, -2)), flipped, name)
        return None if made is None else Nodes(made.ids.swapaxes(-1, -2))
    matrix = weight.reshape(weight.shape[-2:])
    made = t.linear(Nodes(x.ids.swapaxes(-1, -2)), matrix, None, name)
    ids = made.ids.swapaxes(-1, -2)
    return Nodes(ids.reshape((1,) * (len(weight.shape) - ids.ndim) + ids.shape))


def by_heads(t: OnnxTracer, x: Nodes, weight: Recipe, name: str) -> Nodes | None:
    """Multiply by one matrix a head: the axes before the last two select it.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    x : Nodes
        Shape (..., n, n_in), whose leading axes broadcast with those of the weight.
    weight : Recipe
        Shape (..., n_in, n_out).
    name : str
        A name for what it makes.

    Returns
    -------
    Nodes or None
        None where samples of a batch would have weights of their own.
    """
    lead = np.broadcast_shapes(x.shape[:-2], weight.shape[:-2])
    heads = (1,) * (len(lead) + 2 - len(weight.shape)) + weight.shape[:-2]
    n_in, n_out = weight.shape[-2:]
    ids = np.broadcast_to(x.ids, (*lead, *x.shape[-2:]))
    samples = find(ids, t.n_samples)
    if samples.axis is not None and (samples.axis >= len(heads) or heads[samples.axis] != 1):
        return None
    made = np.empty((*ids.shape[:-1], n_out), np.int64)
    weight = weight.reshape((*heads, n_in, n_out))
    for index in np.ndindex(heads):
        part, where = weight, tuple(
            slice(i, i + 1) if n > 1 else slice(None) for i, n in zip(index, heads, strict=True)
        )  # fmt: skip
        for axis, (i, n) in enumerate(zip(index, heads, strict=True)):
            part = part.take(axis, i, i + 1) if n > 1 else part
        matrix = part.reshape((n_in, n_out)).transpose((1, 0))
        made[where] = t.linear(Nodes(ids[where]), matrix, None, name_of(weight, name)).ids
    return Nodes(made)
