"""Matrix products and convolutions with parameters."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.geometry import convolution_windows
from cntgraph.adapters.torch.aten.tracer import AtenTracer, handles
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, name_of
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


@handles("mm", "matmul", "bmm")
def matmul(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x W for a parameter W; a product of neurons with neurons is not linear."""
    left, right = a["self"], a.get("mat2", a.get("other"))
    if isinstance(left, Nodes) and isinstance(right, Recipe | torch.Tensor):
        if len(right.shape) >= 2 and all(n == 1 for n in right.shape[:-2]):
            weight = t.recipe(right).reshape(tuple(right.shape[-2:]))
            return _linear(t, left, weight.transpose((1, 0)), None, name)
    return None


def _linear(t: AtenTracer, x: Any, weight: Any, bias: Any, name: str) -> Nodes | None:
    """Apply a linear layer to the last axis, position by position along the others."""
    if not isinstance(x, Nodes) or isinstance(weight, Nodes) or isinstance(bias, Nodes):
        return None
    weight = t.recipe(weight)
    n_out, n_in = weight.shape
    *lead, _ = x.shape
    rows = t.first(x.ids.reshape(prod(lead), n_in))
    positions = lead[1:] if lead and lead[0] == t.batch else [len(rows)]
    vector = None if bias is None else t.recipe(bias).reshape((-1,))
    ids = rows.numpy().reshape(*positions, n_in)
    made = t.builder.linear(name_of(weight, name), ids, weight, vector)
    return t.batched(made, (*lead, n_out))


@handles("convolution", "conv1d", "conv2d", "conv3d")
def convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a convolution in any number of dimensions, transposed or not.

    Several images of one sample that are folded into the batch (frames, views) are convolved by
    the same kernel one after another, each into a layer of its own.
    """
    x, weight = a["input"], a["weight"]
    if not isinstance(x, Nodes) or isinstance(weight, Nodes):
        return None
    weight = t.recipe(weight)
    batched = len(x.shape) == len(weight.shape)
    images = t.first(x.ids) if batched else x.ids.unsqueeze(0)
    transposed = bool(a.get("transposed", False))
    windows = convolution_windows(a, tuple(images.shape[2:]), weight.shape[2:], transposed)
    bias, options = t.optional_recipe(a.get("bias")), {"transposed": transposed}
    options["groups"] = a.get("groups", 1)
    made = np.stack(
        [
            t.builder.conv(name_of(weight, name), ids.numpy(), weight, bias, windows, **options)
            for ids in images
        ]
    )
    return t.batched(made, (*x.shape[:1], *made.shape[1:]) if batched else made.shape[1:])


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a transposed convolution."""
    return convolution(t, {**a, "transposed": True}, name)
