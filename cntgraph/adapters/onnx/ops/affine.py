"""Products: of neurons with weights, and of neurons with neurons."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, shape_of
from cntgraph.adapters.tracing import contraction
from cntgraph.adapters.tracing.labels import equation_labels


@handles("Gemm", of_weights=True)
def gemm(t: OnnxTracer, call: Call) -> Any:
    """Return alpha · A B + beta · C, either matrix transposed."""
    left, right = (
        turned(t, value) if call.get(key, 0) else value
        for value, key in zip(call.inputs[:2], ("transA", "transB"), strict=True)
    )
    addend = call.input(2)
    addend = addend if isinstance(addend, Nodes) else t.vector(addend)
    factors = (float(call.get(key, 1.0)) for key in ("alpha", "beta"))
    return contraction.affine(t, left, right, addend, call.name, *factors)


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
