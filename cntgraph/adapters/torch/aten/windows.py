"""Convolutions; pooling over windows and over whole axes; up-sampling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import activations, arithmetic, pooling, reductions
from cntgraph.adapters.tracing import distances as of_rows
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.windows import Sliding, per_axis
from cntgraph.network.blocks import AxisOperator, PoolMode


def _sliding(a: Arguments, kernel: Sequence[int]) -> Sliding:
    """Return how a window of some taps slides, by the arguments of a convolution or a pooling."""
    padding: Any = a.get("padding") or 0
    if not isinstance(padding, str):
        padding = [(p, p) for p in per_axis(padding, len(kernel))]
    stride, dilation = a.get("stride") or kernel, a.get("dilation") or 1
    return Sliding(kernel, stride, padding, dilation, bool(a.get("ceil_mode")))


# -- convolutions in any number of dimensions -----------------------------------------------------


@handles("convolution", "conv1d", "conv2d", "conv3d", of_weights=True)
def convolution(t: AtenTracer, a: Arguments, name: str, *, transposed: bool = False) -> Any:
    """Return a convolution, transposed or not."""
    weight, bias = t.recipe(a["weight"]), t.optional_recipe(a.get("bias"))
    return convolve(
        t, a["input"], weight, bias, _sliding(a, weight.shape[2:]), name,
        groups=int(a.get("groups", 1)), transposed=bool(a.get("transposed", transposed)),
        extra=a.get("output_padding", 0),
    )  # fmt: skip


handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", of_weights=True)(
    partial(convolution, transposed=True)
)


# -- pooling --------------------------------------------------------------------------------------


def _max_pool(t: AtenTracer, a: Arguments, name: str, rank: int) -> Any:
    name = name.replace("_with_indices", "")
    sliding = _sliding(a, per_axis(a["kernel_size"], rank))
    return pooling.max_pool(t, a["self"], sliding, name)


def _average_pool(t: AtenTracer, a: Arguments, name: str, rank: int) -> Any:
    count, divisor = bool(a.get("count_include_pad", True)), a.get("divisor_override") or None
    sliding = _sliding(a, per_axis(a["kernel_size"], rank))
    return pooling.average_pool(t, a["self"], sliding, name, count_padding=count, divisor=divisor)


def _adaptive_pool(t: AtenTracer, a: Arguments, name: str, rank: int, mode: PoolMode) -> Any:
    return pooling.adaptive_pool(t, a["self"], per_axis(a["output_size"], rank), mode, name)


for _rank in (1, 2, 3):
    handles(f"max_pool{_rank}d", f"max_pool{_rank}d_with_indices")(partial(_max_pool, rank=_rank))
    handles(f"avg_pool{_rank}d", of_weights=True)(partial(_average_pool, rank=_rank))
    handles(f"adaptive_avg_pool{_rank}d", of_weights=True)(
        partial(_adaptive_pool, rank=_rank, mode="average")
    )
    handles(f"adaptive_max_pool{_rank}d")(partial(_adaptive_pool, rank=_rank, mode="max"))


# -- whole axes -------------------------------------------------------------------------------


def _settings(a: Arguments) -> tuple[Any, bool]:
    """Return the axes of a reduction, all if none are named, and whether they are kept."""
    given = a.get("dim")
    return None if isinstance(given, list | tuple) and not given else given, bool(a.get("keepdim"))


def _reduce(t: AtenTracer, a: Arguments, name: str, mode: PoolMode) -> Any:
    axes, keep = _settings(a)
    return reductions.reduce_axes(t, a["self"], axes, mode, name, keepdims=keep)


handles("mean", of_weights=True)(partial(_reduce, mode="average"))
handles("sum", of_weights=True)(partial(_reduce, mode="sum"))


def _extreme(t: AtenTracer, a: Arguments, name: str, mode: Literal["max", "min"]) -> Any:
    """Take the largest or smallest over whole axes, or of two."""
    if "other" in a:
        return arithmetic.extreme(t, [a["self"], a["other"]], mode, name)
    return _reduce(t, a, name, mode)


handles("amax", "max", "maximum", "fmax", of_weights=True)(partial(_extreme, mode="max"))
handles("amin", "min", "minimum", "fmin", of_weights=True)(partial(_extreme, mode="min"))


@handles("linalg_vector_norm", "norm", of_weights=True)
def norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take the length of vectors."""
    (axes, keep), order = _settings(a), a.get("ord", a.get("p"))
    order = 2.0 if order is None else float(order)
    return reductions.norm(t, a["self"], axes, order, name, keepdims=keep)


@handles("euclidean_dist", "cdist_forward")
def distances(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take the lengths of the differences of all rows."""
    left, right = _with_axis(a["x1"], -1), _with_axis(a["x2"], -2)
    return of_rows.distances(t, left, right, float(a.get("p", 2.0)), name)


def _with_axis(value: Any, before: int) -> Any:
    """Return nodes, weights or a constant with one more axis before another."""
    shape = (*value.shape[:before], 1, *value.shape[before:])
    return Nodes(value.tensor.reshape(shape)) if isinstance(value, Nodes) else value.reshape(shape)


def _loss(t: AtenTracer, a: Arguments, name: str, function: str) -> Any:
    """Take the mean or the sum of a function of differences."""
    apart = arithmetic.add(t, a["self"], a["target"], name, -1.0)
    each = activations.activate(t, apart, function)
    modes: dict[int, PoolMode] = {1: "average", 2: "sum"}
    mode = modes.get(a["reduction"])
    return each if mode is None else reductions.reduce_axes(t, each, None, mode, name)


handles("mse_loss", of_weights=True)(partial(_loss, function="pow"))
handles("l1_loss", of_weights=True)(partial(_loss, function="abs"))


@handles("logsumexp", of_weights=True)
def logsumexp(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take the logarithm of a sum of exponentials."""
    axes, keep = _settings(a)
    functions = ("exp", "log")
    return reductions.reduce_function(t, a["self"], axes, functions, name, keepdims=keep)


def _variance(
    t: AtenTracer, a: Arguments, name: str, *, root: bool = False, and_mean: bool = False
) -> Any:
    axes, keep = _settings(a)
    correction = a["correction"] if "correction" in a else a.get("unbiased", True)
    correction = 1.0 if correction is None else float(correction)
    mean, made = reductions.moments(t, a["self"], axes, name, keepdims=keep, correction=correction)
    made = activations.activate(t, made, "sqrt") if root else made
    return [made, mean] if and_mean else made


handles("var", of_weights=True)(_variance)
handles("std", of_weights=True)(partial(_variance, root=True))
handles("var_mean", of_weights=True)(partial(_variance, and_mean=True))
handles("std_mean", of_weights=True)(partial(_variance, root=True, and_mean=True))


def _cumulative(t: AtenTracer, a: Arguments, name: str, mode: PoolMode) -> Any:
    return reductions.cumulative(t, a["self"], int(a["dim"]), mode, name)


handles("cumsum", of_weights=True)(partial(_cumulative, mode="sum"))
handles("cummax")(partial(_cumulative, mode="max"))
handles("cummin")(partial(_cumulative, mode="min"))


# -- up-sampling; the nearest node is shown again, which is data movement --------------------------


@handles("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", of_weights=True)
def upsample(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Interpolate linearly along every spatial axis."""
    x: Any = a.get("input", a.get("self"))
    sizes = x.shape[2:]
    names = ("scales",) if len(sizes) == 1 else ("scales_d", "scales_h", "scales_w")[-len(sizes) :]
    factors = a.get("scale_factors") or [a.get(key) for key in names]
    # As PyTorch rounds: the product in the precision of the factor.
    made = a["output_size"] or [int(np.float64(n) * f) for n, f in zip(sizes, factors, strict=True)]
    operators = [
        AxisOperator.linear(n, m, align_corners=bool(a["align_corners"]), scale=factor)
        for n, m, factor in zip(sizes, made, factors, strict=True)
    ]
    return pooling.pool(t, x, operators, "linear", name)


def _resample(t: AtenTracer, a: Arguments, name: str, operation: Any) -> Any:
    """Interpolate along both axes of images by weights that PyTorch itself gives each axis."""
    x: Any = a.get("input", a.get("self"))
    factors = a.get("scale_factors") or [a.get("scales_h"), a.get("scales_w")]
    operators = []
    for n, m, factor in zip(x.shape[2:], t.shapes[2:], factors, strict=True):
        # Of images of one column PyTorch mistakes columns for channels.
        units = torch.eye(n, dtype=torch.float64).reshape(n, 1, n, 1).repeat(1, 1, 1, 2)
        along = operation(units, [m, 2], bool(a["align_corners"]), factor, None)
        operators.append(AxisOperator.of_matrix(along[:, 0, :, 0].numpy()))
    return pooling.pool(t, x, operators, "linear", name)


for _name in ("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "upsample_bicubic2d"):
    _plain = getattr(torch.ops.aten, _name).default
    handles(_name.strip("_"), of_weights=True)(partial(_resample, operation=_plain))
