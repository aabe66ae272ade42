"""Convolutions in any number of dimensions, transposed where the input is dilated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import Nodes, has_nodes, name_of
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Window

if TYPE_CHECKING:
    from cntgraph.adapters.jax.tracer import Tracer


@handles("conv_general_dilated")
def convolution(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return a convolution with a weight, whatever the order of its axes.

    With input dilation L and stride 1, output o receives from input q by tap t where
    o = q L + lo - t d: a transposed convolution of stride L whose taps run the other way.
    """
    x, kernel = args
    p = op.params
    if has_nodes(kernel):
        return "it convolves nodes with nodes"
    if p["batch_group_count"] != 1:
        return "it mixes the samples of a batch"
    d, x = p["dimension_numbers"], t.nodes(x)
    weight = whole(as_weight(kernel, t.constant), range(len(kernel.shape)))
    recipe = weight.recipe.transpose(tuple(int(axis) for axis in d.rhs_spec))
    ids = x.ids.transpose(d.lhs_spec)
    shape = tuple(op.outputs[0].shape[axis] for axis in d.out_spec)
    t.expect_channels(ids[0], [0])
    made = _convolved(t, op, ids, recipe, shape[2:])
    made = made.transpose(np.argsort(d.out_spec))
    return Nodes(made, op.outputs[0].batch, awaits_bias=True)


def _convolved(t: Tracer, op: Op, ids: Ids, recipe: Recipe, out: tuple[int, ...]) -> Ids:
    """Convolve ids of shape (samples, channels, *spatial)."""
    p, groups = op.params, int(op.params["feature_group_count"])
    transposed = any(n != 1 for n in p["lhs_dilation"]) and all(n == 1 for n in p["window_strides"])
    if transposed:
        windows = _transposed_windows(op, ids.shape[2:], recipe.shape[2:], out)
        recipe = _turned(recipe, groups)
    else:
        ids = _dilated(ids, p["lhs_dilation"])
        windows = _windows(op, ids.shape[2:], recipe.shape[2:], out)
    many = len(ids)
    if many == 1:
        rows = ids[0]
    else:  # what was merged into the samples are positions that the kernel does not mix
        rows, windows = np.moveaxis(ids, 1, 0), (Window(many, many, 1), *windows)
        recipe = recipe.reshape((*recipe.shape[:2], 1, *recipe.shape[2:]))
    name = name_of(recipe) or t.label(op)
    made = t.builder.conv(name, rows, recipe, None, windows, groups=groups, transposed=transposed)
    return made[None] if many == 1 else np.moveaxis(made, 1, 0)


def _windows(
    op: Op, spatial: tuple[int, ...], sizes: tuple[int, ...], out: tuple[int, ...]
) -> tuple[Window, ...]:
    p = op.params
    settings = zip(spatial, out, sizes, p["window_strides"], p["rhs_dilation"], p["padding"],
                   strict=True)  # fmt: skip
    return tuple(Window(n, m, k, s, d, low) for n, m, k, s, d, (low, _) in settings)


def _transposed_windows(
    op: Op, spatial: tuple[int, ...], sizes: tuple[int, ...], out: tuple[int, ...]
) -> tuple[Window, ...]:
    p = op.params
    settings = zip(spatial, out, sizes, p["lhs_dilation"], p["rhs_dilation"], p["padding"],
                   strict=True)  # fmt: skip
    return tuple(Window(m, n, k, s, d, (k - 1) * d - low) for n, m, k, s, d, (low, _) in settings)


def _turned(recipe: Recipe, groups: int) -> Recipe:
    """Return a kernel (out, in / groups, *taps) as (in, out / groups, *taps), taps reversed."""
    n_out, n_in, *taps = recipe.shape
    grouped = recipe.reshape((groups, n_out // groups, n_in, *taps))
    axes = (0, 2, 1, *range(3, 3 + len(taps)))
    turned = grouped.transpose(axes).reshape((groups * n_in, n_out // groups, *taps))
    for axis, n in enumerate(taps, start=2):
        turned = turned.gather(axis, np.arange(n)[::-1]) if n > 1 else turned
    return turned


def _dilated(ids: Ids, factors: tuple[int, ...]) -> Ids:
    """Put positions without a node between those of the input."""
    for axis, factor in enumerate(factors, start=2):
        if factor > 1 and ids.shape[axis]:
            length = (ids.shape[axis] - 1) * factor + 1
            wide = np.full((*ids.shape[:axis], length, *ids.shape[axis + 1 :]), -1, np.int64)
            wide[(slice(None),) * axis + (slice(None, None, factor),)] = ids
            ids = wide
    return ids
