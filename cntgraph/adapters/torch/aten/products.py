"""Matrix products, with parameters or of neurons, rows of a table, and attention."""

from __future__ import annotations

from typing import Any

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


@handles("addmm", "baddbmm", "addmv", of_weights=True)
def addmm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return β b + α x W."""
    addend, left, right, *_ = a.values()
    if any(isinstance(value, Data) for value in (addend, left, right)):
        return None
    factors = float(a.get("alpha", 1)), float(a.get("beta", 1))
    return contraction.affine(t, left, right, addend, name, *factors)


@handles("addbmm", of_weights=True)
def addbmm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return β b + α Σ x W, the sum of products of several matrices."""
    addend, left, right, *_ = a.values()
    labels = ("batch", "row", "sum"), ("batch", "sum", "column"), ("row", "column")
    product = contraction.contract(t, left, labels[0], right, labels[1], labels[2], name)
    factors = float(a.get("alpha", 1)), float(a.get("beta", 1))
    return arithmetic.weighted_sum(t, product, addend, name, *factors)


@handles("mm", "matmul", "bmm", "mv", "dot", "vdot", of_weights=True)
def matmul(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return x W for a parameter W, or the product of neurons with neurons."""
    left, right, *_ = a.values()
    return contraction.matmul(t, left, right, name)


@handles("grouped_mm")
def grouped_matmul(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return products with one matrix out of several, which the data choose for each row."""
    x, stack = a["self"], t.recipe(a["mat2"])
    if not isinstance(x, Nodes) or not isinstance(a.get("offs"), Data) or len(stack.shape) != 3:
        return None
    n, *shape = stack.shape
    matrices = (stack.take(0, k, k + 1).reshape(tuple(shape)) for k in range(n))
    made = [contraction.matmul(t, x, w, name, t.optional_recipe(a.get("bias"))) for w in matrices]
    return arithmetic.choose_among(t, made, "where", name)


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
