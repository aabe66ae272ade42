"""Convolutions in any number of dimensions, transposed or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.windows import Sliding, per_axis
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window


def _windows(a: Arguments, spatial: Sequence[int], kernel: Sequence[int]) -> tuple[Window, ...]:
    """Return the windows of a convolution, by its arguments."""
    padding = a.get("padding", 0)
    if not isinstance(padding, str):
        padding = [(p, p) for p in per_axis(padding, len(kernel))]
    sliding = Sliding(kernel, a.get("stride", 1), padding, a.get("dilation", 1))
    if a.get("transposed", False):
        return sliding.transposed(spatial, a.get("output_padding", 0))
    return sliding.windows(spatial)


@handles("convolution", "conv1d", "conv2d", "conv3d")
def convolution(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return a convolution, transposed or not."""
    x, weight = a["input"], a["weight"]
    if not isinstance(x, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
        return None
    weight, bias = t.recipe(weight), t.optional_recipe(a.get("bias"))
    kernel = weight.shape[2:]
    windows = _windows(a, x.shape[-len(kernel) :], kernel)
    options: dict[str, Any] = {"groups": int(a.get("groups", 1))}
    options["transposed"] = bool(a.get("transposed", False))
    return convolve(t, x, weight, bias, windows, t.name_of(weight, name), **options)


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return a transposed convolution."""
    return convolution(t, {**a, "transposed": True}, name)
