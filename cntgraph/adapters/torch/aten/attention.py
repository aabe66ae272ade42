"""Attention that a framework has as one operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cntgraph.adapters.torch.aten.affine import matmul
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.masks import split_mask
from cntgraph.adapters.tracing.values import Data


@handles(
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_math",
    "scaled_dot_product_flash_attention",
    "scaled_dot_product_flash_attention_for_cpu",
    "scaled_dot_product_efficient_attention",
    "scaled_dot_product_cudnn_attention",
)
def attention(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return softmax(q kᵀ + mask) v."""
    q, k, v = (a[key] for key in ("query", "key", "value"))
    if not all(isinstance(x, Nodes) for x in (q, k, v)):
        return None
    name = name.rpartition(".")[0] + ".attention" if "." in name else "attention"
    if a.get("enable_gqa"):
        k, v = (_repeated(x, q.shape[-3]) for x in (k, v))
    causal = _causal(q.shape[-2], k.shape[-2]) if a.get("is_causal") else None
    mask = a.get("attn_mask") if "attn_mask" in a else a.get("attn_bias")
    if mask is None:
        return _fused(t, q, k, v, causal, name)
    if isinstance(mask, Data) or (isinstance(mask, Nodes) and mask.is_index):
        t.note(name, "a mask that depends on the input: nothing is masked")
        return _fused(t, q, k, v, causal, name)
    keep = _kept(t, mask)
    if keep is None:
        return _biased(t, q, k, v, mask, causal, name)
    keep = keep if causal is None else keep & causal
    return _fused(t, q, k, v, keep, name)


def _fused(
    t: AtenTracer, q: Nodes, k: Nodes, v: Nodes, keep: torch.Tensor | None, name: str
) -> Nodes:
    shape = (*q.shape[:-1], v.shape[-1])
    allowed = None if keep is None else _for_sample(keep, q, k)
    made = t.builder.attention(name, t.sample(q), t.sample(k), t.sample(v), allowed)
    return t.batched(made, shape)


def _biased(
    t: AtenTracer, q: Nodes, k: Nodes, v: Nodes, bias: Any, keep: torch.Tensor | None, name: str
) -> Nodes | None:
    """Return an attention whose scores have something added to them (relative positions)."""
    turned = Nodes(k.tensor.transpose(-1, -2))
    scores = matmul(t, {"self": q, "other": turned}, f"{name}.scores")
    made = None if scores is None else arithmetic.add(t, scores, bias, f"{name}.bias")
    if made is None:
        return None
    if keep is not None:
        made = Nodes(made.tensor.masked_fill(~keep, -1))
    t.builder.activate(t.sample(made), "softmax")
    return matmul(t, {"self": made, "other": v}, name)


def _repeated(x: Nodes, heads: int) -> Nodes:
    """Return the heads of keys or values as often as queries share them."""
    return Nodes(x.tensor.repeat_interleave(heads // x.shape[-3], -3))


def _causal(n: int, m: int) -> torch.Tensor:
    return torch.ones(n, m, dtype=torch.bool).tril()


def _kept(t: AtenTracer, mask: Any) -> torch.Tensor | None:
    """Return which positions a constant mask keeps, or None if it is none."""
    if isinstance(mask, torch.Tensor) and mask.dtype == torch.bool:
        return mask.cpu()
    values = t.mask_values(mask)
    if values is None:
        return None
    keep, rest = split_mask(values) or (np.ones(values.shape, dtype=bool), values)
    if rest.any():
        return None
    t.use_as_mask(mask)
    return torch.from_numpy(keep)


def _for_sample(keep: torch.Tensor, q: Nodes, k: Nodes) -> NDArray[np.bool_]:
    """Return a mask in the shape of the scores of one sample."""
    wide = torch.broadcast_to(keep, (*q.shape[:-1], k.shape[-2]))
    if wide.ndim > 2:
        wide = wide[0]
    array: NDArray[np.bool_] = wide.numpy()
    return array
