"""Matrix products and convolutions with parameters."""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

import numpy as np
import torch

from cntgraph.adapters.torch.aten.geometry import convolution_windows
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window


@handles("linear")
def linear(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return y = x Wᵀ + b."""
    return _linear(t, a["input"], a["weight"], a.get("bias"), name)


@handles("addmm", "baddbmm")
def addmm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return b + x W, as a linear layer is decomposed."""
    constant, x = a["self"], a.get("mat1", a.get("batch1"))
    weight = a.get("mat2", a.get("batch2"))
    if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1 or isinstance(constant, Nodes):
        return None
    if not isinstance(x, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
        return None
    matrix = t.recipe(weight)
    if prod(matrix.shape[:-2]) == 1 and prod(constant.shape) == matrix.shape[-1]:
        matrix = matrix.reshape(matrix.shape[-2:])
        return _linear(t, x, matrix.transpose((1, 0)), constant, name)
    made = matmul(t, {"self": x, "other": weight}, name)
    return made if made is None else arithmetic.add(t, made, constant, name)


@handles("mm", "matmul", "bmm", "mv", "dot")
def matmul(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x W for a parameter W, or the product of neurons with neurons."""
    left = a["self"]
    right = next(a[key] for key in ("mat2", "other", "vec", "tensor") if key in a)
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return _product(t, left, right, name)
    if isinstance(left, Nodes) and isinstance(right, Recipe | torch.Tensor):
        return _by_right(t, left, t.recipe(_once(right)), name)
    if isinstance(right, Nodes) and isinstance(left, Recipe | torch.Tensor):
        return _by_left(t, t.recipe(_once(left)), right, name)
    return None


def _once(matrix: Any) -> Any:
    """Return a constant matrix that was repeated for every sample or head as it was."""
    while isinstance(matrix, torch.Tensor) and matrix.ndim > 2 and (matrix == matrix[:1]).all():
        matrix = matrix[0]
    return matrix


def _by_right(t: AtenTracer, x: Nodes, weight: Recipe, name: str) -> Nodes | None:
    if len(weight.shape) == 1:
        made = _linear(t, x, weight.reshape((1, -1)), None, name)
        return None if made is None else Nodes(made.tensor[..., 0])
    if prod(weight.shape[:-2]) != 1:
        return _by_head(t, x, weight, name)
    matrix = weight.reshape(weight.shape[-2:]).transpose((1, 0))
    made = _linear(t, x, matrix, None, name)
    return (
        None if made is None else Nodes(made.tensor[(None,) * (len(weight.shape) - len(x.shape))])
    )


def _by_left(t: AtenTracer, weight: Recipe, x: Nodes, name: str) -> Nodes | None:
    """Return W x: W mixes the positions of the last axis but one."""
    if len(x.shape) < 2:
        return _linear(t, x, weight, None, name) if len(weight.shape) == 2 else None
    turned = weight.transpose((*range(len(weight.shape) - 2), -1, -2))
    made = _by_right(t, Nodes(x.tensor.transpose(-1, -2)), turned, name)
    return None if made is None else Nodes(made.tensor.transpose(-1, -2))


def _by_head(t: AtenTracer, x: Nodes, weight: Recipe, name: str) -> Nodes | None:
    """Multiply by a matrix a head: the axes before the last two select it."""
    lead = torch.broadcast_shapes(x.shape[:-2], weight.shape[:-2])
    heads = (1,) * (len(lead) + 2 - len(weight.shape)) + weight.shape[:-2]
    n_in, n_out = weight.shape[-2:]
    ids = x.tensor.expand(*lead, *x.shape[-2:])
    made = ids.new_empty((*lead, x.shape[-2], n_out))
    weight, name = weight.reshape((*heads, n_in, n_out)), t.name_of(weight, name)
    for index in np.ndindex(*heads):
        part, where = weight, []
        for axis, (i, n) in enumerate(zip(index, heads, strict=True)):
            part = part.take(axis, i, i + 1) if n > 1 else part
            where.append(slice(i, i + 1) if n > 1 else slice(None))
        matrix = part.reshape((n_in, n_out)).transpose((1, 0))
        head = _linear(t, Nodes(ids[tuple(where)]), matrix, None, name)
        assert head is not None
        made[tuple(where)] = head.tensor
    return Nodes(made)


def _product(t: AtenTracer, left: Nodes, right: Nodes, name: str) -> Nodes | None:
    """Return the product of neurons with neurons, sample by sample."""
    if min(len(left.shape), len(right.shape)) < 2:
        return None
    lead = torch.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    ends = [
        t.sample(Nodes(side.tensor.expand(*lead, *side.shape[-2:])))
        if lead
        else side.tensor.numpy()
        for side in (left, right)
    ]
    made = t.builder.matmul(name, *ends)
    return t.batched(made, (*lead, left.shape[-2], right.shape[-1]))


def _linear(t: AtenTracer, x: Any, weight: Any, bias: Any, name: str) -> Nodes | None:
    """Apply a linear layer to the last axis, position by position along the others."""
    if not isinstance(x, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
        return None
    if not isinstance(bias, Recipe | torch.Tensor | None):
        return None
    weight = t.recipe(weight)
    n_out, n_in = weight.shape
    *lead, _ = x.shape
    rows = t.first(x.tensor.reshape(prod(lead), n_in))
    positions = lead[1:] if lead and lead[0] == t.batch else [len(rows)]
    vector = None if bias is None else t.recipe(bias).reshape((-1,))
    ids = rows.numpy().reshape(*positions, n_in)
    made = t.builder.linear(t.name_of(weight, name), ids, weight, vector)
    return t.batched(made, (*lead, n_out))


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
