"""Matrix products, with parameters or of neurons, and attention."""

from __future__ import annotations

from typing import Any, NoReturn

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic, contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data


@handles("linear")
def linear(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return y = x Wᵀ + b."""
    x, weight, bias = a["input"], a["weight"], a.get("bias")
    if not isinstance(x, Nodes) or any(isinstance(v, Nodes | Data) for v in (weight, bias)):
        return None
    return contraction.linear(t, x, weight, t.optional_recipe(bias), name)


@handles("addmm", "baddbmm")
def addmm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return b + x W, as a linear layer is decomposed."""
    bias = a["self"]
    x, weight = (a[f"mat{k}"] if f"mat{k}" in a else a[f"batch{k}"] for k in (1, 2))
    if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1 or not isinstance(x, Nodes):
        return None
    if any(isinstance(value, Nodes | Data) for value in (bias, weight)):
        return None
    if len(weight.shape) == 2:
        return contraction.matmul(t, x, weight, name, t.recipe(bias))
    return arithmetic.add(t, contraction.matmul(t, x, weight, name), bias, name)


@handles("mm", "matmul", "bmm", "mv", "dot")
def matmul(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return x W for a parameter W, or the product of neurons with neurons."""
    right = next(a[key] for key in ("mat2", "other", "vec", "tensor") if key in a)
    return contraction.matmul(t, a["self"], right, name)


@handles("bilinear", "trilinear")
def bilinear(t: AtenTracer, a: Arguments, name: str) -> NoReturn:
    """Refuse x₁ᵀ W x₂: its weights belong to pairs of nodes."""
    raise NotFollowed("a product of two inputs is not an edge")


@handles(
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_math",
    "scaled_dot_product_flash_attention",
    "scaled_dot_product_flash_attention_for_cpu",
    "scaled_dot_product_efficient_attention",
    "scaled_dot_product_cudnn_attention",
)
def attention(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return softmax(q kᵀ + mask) v."""
    q, k, v = (a[key] for key in ("query", "key", "value"))
    if not all(isinstance(x, Nodes) for x in (q, k, v)):
        return None
    name = name.rpartition(".")[0] + ".attention" if "." in name else "attention"
    earlier = causal(q.shape[-2], k.shape[-2]) if a.get("is_causal") else None
    mask = a.get("attn_mask") if "attn_mask" in a else a.get("attn_bias")
    return attend(t, q, k, v, name, masks=(earlier, mask))
