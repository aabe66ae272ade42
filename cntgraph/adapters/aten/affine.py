"""Matrix products and convolutions with parameters."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.aten.geometry import convolution_windows
from cntgraph.adapters.aten.tracer import AtenTracer, handles
from cntgraph.adapters.aten.values import Arguments, Nodes, name_of
from cntgraph.recipe import Recipe


@handles("linear")
def linear(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return y = x Wᵀ + b."""
    return _linear(t, a["input"], a["weight"], a.get("bias"), name)


@handles("addmm")
def addmm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return b + x W, as a linear layer is decomposed."""
    bias, weight = a["self"], a["mat2"]
    plain = a.get("beta", 1) == 1 and a.get("alpha", 1) == 1
    if not plain or isinstance(bias, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
        return None
    return _linear(t, a["mat1"], t.recipe(weight).transpose((1, 0)), bias, name)


@handles("mm", "matmul")
def matmul(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x W for a parameter W; a product of neurons with neurons is not linear."""
    left, right = a["self"], a.get("mat2", a.get("other"))
    if isinstance(left, Nodes) and isinstance(right, Recipe | torch.Tensor):
        if len(right.shape) == 2:
            return _linear(t, left, t.recipe(right).transpose((1, 0)), None, name)
    return None


def _linear(t: AtenTracer, x: Any, weight: Any, bias: Any, name: str) -> Nodes | None:
    """Apply a linear layer to the last axis, position by position along the others."""
    if not isinstance(x, Nodes) or isinstance(weight, Nodes) or isinstance(bias, Nodes):
        return None
    weight = t.recipe(weight)
    n_out, n_in = weight.shape
    rows = x.ids.reshape(-1, n_in)
    rows = rows[: max(len(rows) // t.batch, 1)]
    *lead, _ = x.shape
    positions = lead[1:] if lead and lead[0] == t.batch else [len(rows)]
    vector = None if bias is None else t.recipe(bias).reshape((-1,))
    ids = rows.numpy().reshape(*positions, n_in)
    made = t.builder.linear(name_of(weight, name), ids, weight, vector)
    return t.batched(made, (*lead, n_out))


@handles("convolution", "conv1d", "conv2d", "conv3d")
def convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a convolution in any number of dimensions, transposed or not."""
    x, weight = a["input"], a["weight"]
    if not isinstance(x, Nodes) or isinstance(weight, Nodes):
        return None
    weight = t.recipe(weight)
    batched = len(x.shape) == len(weight.shape)
    ids = x.ids[0] if batched else x.ids
    transposed = bool(a.get("transposed", False))
    windows = convolution_windows(a, tuple(ids.shape[1:]), weight.shape[2:], transposed)
    made = t.builder.conv(
        name_of(weight, name), ids.numpy(), weight, t.optional_recipe(a.get("bias")), windows,
        groups=a.get("groups", 1), transposed=transposed,
    )  # fmt: skip
    return t.batched(made, (*x.shape[:1], *made.shape) if batched else made.shape)


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a transposed convolution."""
    return convolution(t, {**a, "transposed": True}, name)
