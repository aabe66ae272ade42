"""Attention that a framework has as one operation."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.attention import attend, causal


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
