"""Products: of neurons with weights, and of neurons with neurons."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, shape_of
from cntgraph.adapters.tracing import arithmetic, contraction
from cntgraph.adapters.tracing.labels import Labels, equation_labels
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import reduce_axes
from cntgraph.core.recipe import Recipe


@handles("Gemm")
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


@handles("Einsum")
def einsum(t: OnnxTracer, call: Call) -> Any:
    """Return a sum of products named by letters, of two operands; or of one, a transposition."""
    ranks = [len(shape_of(value)) for value in call.inputs]
    terms, result = equation_labels(str(call.get("equation", "")), ranks)
    if len(terms) == 1:
        return _transposed(t, call.inputs[0], terms[0], result, call.name)
    if sum(isinstance(value, Nodes) for value in call.inputs) > 1 < len(terms) - 1:
        raise NotFollowed("a product of two inputs is not an edge")
    if len(terms) != 2:
        return None
    (left, right), (of_left, of_right) = call.inputs, terms
    return contraction.contract(t, left, of_left, right, of_right, result, call.name)


def _transposed(t: OnnxTracer, x: Any, labels: Labels, result: Labels, name: str) -> Nodes | None:
    """Return a tensor with its axes in another order, or summed over."""
    if len(set(labels)) != len(labels) or not set(result) <= set(labels):
        return None
    kept = [k for k in labels if k in result]
    over = [axis for axis, k in enumerate(labels) if k not in result]
    made = reduce_axes(t, x, over, "sum", name) if over else x
    return Nodes(made.ids.transpose([kept.index(k) for k in result]))
