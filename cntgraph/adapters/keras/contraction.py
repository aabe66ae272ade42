"""Products over shared axes, of neurons with weights or with neurons; dense layers, attention."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes
from cntgraph.adapters.tracing import contraction
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
    """Return a layer's weight, dequantized; None where it is computed in another way."""
    if layer.quantization_mode is None:
        return layer.kernel
    if layer.quantization_mode != "int8" or layer.lora_enabled or hasattr(layer, "equation"):
        return None
    return layer._kernel.recipe / layer.kernel_scale.recipe


@handles("Matmul", of_weights=True)
def matmul(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return x1 x2 over the last axis and the last but one."""
    return contraction.matmul(t, a["x1"], a["x2"], t.name(operation))


@handles("Dot", "Inner", "Tensordot", of_weights=True)
def tensordot(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a sum over some axes of either side."""
    left, right = a["x1"], a["x2"]
    kind, n = type(operation).__name__, (len(left.shape), len(right.shape))
    if min(n) == 0:
        raise NotFollowed("it is a product with a number")
    if kind == "Tensordot":
        axes = operation.axes
        if isinstance(axes, int):
            axes = (range(n[0] - axes, n[0]), range(axes))
        pairs = [[k % n[side] for k in ([part] if isinstance(part, int) else part)]
                 for side, part in enumerate(axes)]  # fmt: skip
    else:
        pairs = [[n[0] - 1], [n[1] - 1 if kind == "Inner" or n[1] == 1 else n[1] - 2]]
    parts = [[pair.index(axis) if axis in pair else (side, axis) for axis in range(n[side])]
             for side, pair in enumerate(pairs)]  # fmt: skip
    labels = [k for part in parts for k in part if isinstance(k, tuple)]
    return contraction.contract(t, left, parts[0], right, parts[1], labels, t.name(operation))


@handles("Einsum", of_weights=True)
def einsum(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a sum of products named by letters."""
    operands = a["operands"]
    parts, result = equation_labels(operation.subscripts, [len(x.shape) for x in operands])
    return contraction.einsum(t, operands, parts, result, t.name(operation))


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
