"""Products: of neurons with weights, and of neurons with neurons."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, shape_of
from cntgraph.adapters.tracing import arithmetic, contraction
from cntgraph.adapters.tracing.labels import equation_labels
from cntgraph.core.recipe import Recipe


@handles("Gemm", of_weights=True)
def gemm(t: OnnxTracer, call: Call) -> Any:
    """Return alpha · A B + beta · C."""
    addend, beta = call.input(2), float(call.get("beta", 1.0))
    if not isinstance(addend, Nodes):
        bias = t.vector(addend)
        return product(t, call, bias if bias is None or beta == 1.0 else bias * beta)
    if beta != 1.0:
        by = Recipe.constant(beta)
        addend = t.scale(addend, by, None, f"{call.name}.beta", parametric=False)
    return arithmetic.add(t, product(t, call), addend, call.name)


def product(t: OnnxTracer, call: Call, bias: Recipe | None = None) -> Any:
    """Return alpha · A B + bias, either operand transposed."""
    left, right = (
        turned(t, value) if call.get(key, 0) else value
        for value, key in zip(call.inputs[:2], ("transA", "transB"), strict=True)
    )
    alpha = float(call.get("alpha", 1.0))
    if alpha != 1.0 and not isinstance(right, Nodes):
        right = t.recipe(right) * alpha
    elif alpha != 1.0 and not isinstance(left, Nodes):
        left = t.recipe(left) * alpha
    made = contraction.matmul(t, left, right, call.name, bias)
    if alpha == 1.0 or not (isinstance(left, Nodes) and isinstance(right, Nodes)):
        return made
    return t.scale(made, Recipe.constant(alpha), None, f"{call.name}.scale", parametric=False)


def turned(t: OnnxTracer, value: Any) -> Any:
    """Return matrices transposed."""
    if isinstance(value, Nodes):
        return Nodes(value.ids.swapaxes(-1, -2))
    recipe = t.recipe(value)
    rank = len(recipe.shape)
    return recipe.transpose((*range(rank - 2), rank - 1, rank - 2))


@handles("Einsum", of_weights=True)
def einsum(t: OnnxTracer, call: Call) -> Any:
    """Return a sum of products named by letters."""
    ranks = [len(shape_of(value)) for value in call.inputs]
    terms, result = equation_labels(str(call.get("equation", "")), ranks)
    return contraction.einsum(t, call.inputs, terms, result, call.name)
