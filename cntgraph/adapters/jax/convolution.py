"""Convolutions in any number of dimensions, transposed where the input is dilated."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.jax.layout import dilated
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Nodes, Weight, has_nodes
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.recipe import Recipe


@handles("conv_general_dilated")
def convolution(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Return a convolution with a weight, whatever the order of its axes.

    With input dilation L and stride 1, output o receives from input q by tap t where
    o = q L + lo - t d: a transposed convolution of stride L whose taps run the other way.
    """
    x, kernel = args
    p = op.params
    if has_nodes(kernel):
        raise NotFollowed("it convolves nodes with nodes")
    if p["batch_group_count"] != 1:
        raise NotFollowed("it mixes the samples of a batch")
    d = p["dimension_numbers"]
    weight = whole(as_weight(kernel, t.constant), range(len(kernel.shape)))
    recipe = weight.recipe.transpose(tuple(int(axis) for axis in d.rhs_spec))
    if not has_nodes(x):
        images = whole(as_weight(x, t.constant), range(len(x.shape))).recipe.transpose(d.lhs_spec)
        made = _convolved(t, op, images, recipe).transpose(tuple(np.argsort(d.out_spec).tolist()))
        return [Weight.of(made)]
    ids = t.nodes(x).ids.transpose(d.lhs_spec)
    t.expect_channels(ids[0], [0])
    made = _convolved(t, op, ids, recipe).transpose(np.argsort(d.out_spec))
    return Nodes(made)


def _convolved(t: JaxTracer, op: Op, x: Any, recipe: Recipe) -> Any:
    """Convolve ids, or weights, of shape (samples, channels, *spatial)."""
    p, groups, kernel = op.params, int(op.params["feature_group_count"]), recipe.shape[2:]
    strides, steps, pads = p["window_strides"], p["rhs_dilation"], p["padding"]
    transposed = any(n != 1 for n in p["lhs_dilation"]) and all(n == 1 for n in strides)
    if transposed:
        edges = [d * (k - 1) for k, d in zip(kernel, steps, strict=True)]
        pads = [(edge - low, edge - high) for edge, (low, high) in zip(edges, pads, strict=True)]
        strides, recipe = p["lhs_dilation"], _turned(recipe, groups)
    elif isinstance(x, np.ndarray):
        x = dilated(x, (1, 1, *p["lhs_dilation"]))
    elif any(n != 1 for n in p["lhs_dilation"]):
        raise NotFollowed("a convolution of weights, dilated and with steps")
    sliding = Sliding(kernel, strides, pads, steps)
    x = Nodes(x) if isinstance(x, np.ndarray) else x
    made = convolve(t, x, recipe, None, sliding, t.label(op), groups=groups, transposed=transposed)
    return made.ids if isinstance(made, Nodes) else made


def _turned(recipe: Recipe, groups: int) -> Recipe:
    """Return a kernel (out, in / groups, *taps) as (in, out / groups, *taps), taps reversed."""
    n_out, n_in, *taps = recipe.shape
    grouped = recipe.reshape((groups, n_out // groups, n_in, *taps))
    axes = (0, 2, 1, *range(3, 3 + len(taps)))
    turned = grouped.transpose(axes).reshape((groups * n_in, n_out // groups, *taps))
    for axis, n in enumerate(taps, start=2):
        turned = turned.gather(axis, np.arange(n)[::-1]) if n > 1 else turned
    return turned
