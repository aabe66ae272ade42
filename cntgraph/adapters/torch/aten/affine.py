"""Matrix products and convolutions with parameters."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch

from cntgraph.adapters.torch.aten.geometry import convolution_windows
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic, contraction
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window


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


@handles("convolution", "conv1d", "conv2d", "conv3d")
def convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a convolution in any number of dimensions, transposed or not.

    Several images of one sample that are folded into the batch (frames, views) are positions
    along one more axis, which the kernel does not mix.
    """
    x, weight = a["input"], a["weight"]
    if not isinstance(x, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
        return None
    weight = t.recipe(weight)
    sizes, batched = weight.shape[2:], len(x.shape) == len(weight.shape)
    images = t.first(x.tensor) if batched else x.tensor.unsqueeze(0)
    transposed = bool(a.get("transposed", False))
    windows = convolution_windows(a, tuple(images.shape[2:]), sizes, transposed)
    ids, many = images[0], len(images)
    if many > 1:
        ids, windows = images.transpose(0, 1), (Window(many, many, 1), *windows)
        weight = weight.reshape((*weight.shape[:2], 1, *sizes))
    made = t.builder.conv(
        t.name_of(weight, name), ids.numpy(), weight, t.optional_recipe(a.get("bias")), windows,
        groups=int(a.get("groups", 1)), transposed=transposed,
    )  # fmt: skip
    channels, spatial = len(made), made.shape[-len(sizes) :]
    made = made if many == 1 else np.moveaxis(made, 1, 0)
    return t.batched(made, (*x.shape[:1], channels, *spatial) if batched else (channels, *spatial))


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return a transposed convolution."""
    return convolution(t, {**a, "transposed": True}, name)
