"""Matrix products, with parameters or of neurons, rows of a table, and attention."""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic, contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import reduce_axes
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.values import Data, are_weights
from cntgraph.core.recipe import over_axes
from cntgraph.network.blocks import PoolMode


@handles("linear", of_weights=True)
def linear(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return y = x Wᵀ + b."""
    x, weight, bias = a["input"], a["weight"], a.get("bias")
    if isinstance(x, Data) or any(isinstance(v, Nodes | Data) for v in (weight, bias)):
        return None
    return contraction.linear(t, x, weight, t.optional_recipe(bias), name)


@handles("addmm", "baddbmm", of_weights=True)
def addmm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return b + x W, as a linear layer is decomposed."""
    bias = a["self"]
    x, weight = (a[f"mat{k}"] if f"mat{k}" in a else a[f"batch{k}"] for k in (1, 2))
    if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1 or isinstance(x, Data):
        return None
    if any(isinstance(value, Nodes | Data) for value in (bias, weight)):
        return None
    if len(weight.shape) == 2:
        return contraction.matmul(t, x, weight, name, t.recipe(bias))
    return arithmetic.add(t, contraction.matmul(t, x, weight, name), bias, name)


@handles("mm", "matmul", "bmm", "mv", "dot", "vdot", of_weights=True)
def matmul(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return x W for a parameter W, or the product of neurons with neurons."""
    right = next(a[key] for key in ("mat2", "other", "vec", "tensor") if key in a)
    return contraction.matmul(t, a["self"], right, name)


@handles("bilinear", "trilinear")
def bilinear(t: AtenTracer, a: Arguments, name: str) -> NoReturn:
    """Refuse x₁ᵀ W x₂: its weights belong to pairs of nodes."""
    raise NotFollowed("a product of two inputs is not an edge")


# -- embeddings of integer inputs; those of constant indices are recipes ---------------------------

#: Modes of an embedding bag, by the numbers that ATen gives them, as modes of a pooling.
_MODES: tuple[PoolMode, ...] = ("sum", "average", "max")


@handles("embedding")
def embedding(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Look up the rows that the input names."""
    weight, tokens = t.recipe(a["weight"]), a["indices"]
    if not isinstance(tokens, Nodes):
        return None
    return look_up(t, weight, tokens, name)


@handles("embedding_bag", "embedding_bag_forward_only")
def embedding_bag(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Look up rows and pool those of a bag; the bags of a sample must be equally long."""
    weight, tokens, offsets = t.recipe(a["weight"]), a["indices"], a["offsets"]
    if a.get("per_sample_weights") is not None:
        raise NotFollowed("the weights of a bag's entries are data")
    if not isinstance(tokens, Nodes) or not isinstance(offsets, torch.Tensor):
        return None
    starts = offsets[:-1] if a.get("include_last_offset") else offsets
    n_bags = len(starts)
    length, rest = divmod(tokens.shape[0], max(n_bags, 1))
    if rest or not length or not torch.equal(starts.cpu(), torch.arange(n_bags) * length):
        raise NotFollowed("bags of different lengths")
    bags = Nodes(tokens.tensor.reshape(n_bags, length))
    name = t.name_of(weight, name)
    rows = look_up(t, weight, bags, name)
    return reduce_axes(t, rows, 1, _MODES[int(a.get("mode", 0))], f"{name}.pool")


# -- attention -------------------------------------------------------------------------------------


@handles(
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_math",
    "scaled_dot_product_flash_attention",
    "scaled_dot_product_flash_attention_for_cpu",
    "scaled_dot_product_efficient_attention",
    "scaled_dot_product_cudnn_attention",
    of_weights=True,
)
def attention(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return softmax(q kᵀ + mask) v."""
    q, k, v = (a[key] for key in ("query", "key", "value"))
    if any(isinstance(x, Data) for x in (q, k, v)):
        return None
    earlier = causal(q.shape[-2], k.shape[-2]) if a.get("is_causal") else None
    mask = a.get("attn_mask") if "attn_mask" in a else a.get("attn_bias")
    if are_weights(q, k, v):
        scale = q.shape[-1] ** -0.5 if a.get("scale") is None else float(a["scale"])
        masked, parts = earlier is not None or mask is not None, [t.recipe(x) for x in (q, k, v)]
        return None if masked else over_axes.attention(parts[0], parts[1], parts[2], scale)
    q, k, v = (t.fixed(x) for x in (q, k, v))
    name = name.rpartition(".")[0] + ".attention" if "." in name else "attention"
    return attend(t, q, k, v, name, masks=(earlier, mask))
