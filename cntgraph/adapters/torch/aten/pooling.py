"""Pooling: over windows, over adaptive windows, over whole axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.torch.aten.choices import maximum, minimum
from cntgraph.adapters.torch.aten.geometry import average_divisor, paddings, pool_windows
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.network.blocks import AxisOperator


def pool_axes(
    t: AtenTracer, x: Nodes, operators: Sequence[AxisOperator], mode: str, name: str
) -> Nodes:
    """Pool the last axes; all other axes but the batch are channels, or frames of channels."""
    rank = len(operators)
    lead, spatial = x.shape[:-rank], x.shape[-rank:]
    images = t.first(x.tensor) if len(lead) == 2 else x.tensor
    if len(lead) == 2 and len(images) > 1:
        # Frames that were folded into the batch are positions that are not mixed.
        frames = AxisOperator.identity(len(images))
        by_channel = images.transpose(0, 1).numpy()
        made = np.moveaxis(t.builder.pool(name, by_channel, (frames, *operators), mode), 1, 0)
    else:
        sample = t.first(x.tensor.reshape(prod(lead), *spatial)).numpy()
        made = t.builder.pool(name, sample, tuple(operators), mode)
    return t.batched(made, (*lead, *made.shape[-rank:]))


def _max_pool(t: AtenTracer, a: Arguments, name: str, rank: int) -> Nodes:
    windows = pool_windows(a, a["self"].shape[-rank:])
    return pool_axes(t, a["self"], [AxisOperator.of_window(w) for w in windows], "max", name)


def _average_pool(t: AtenTracer, a: Arguments, name: str, rank: int) -> Nodes:
    windows = pool_windows(a, a["self"].shape[-rank:])
    override = a.get("divisor_override")
    if override:
        # One division serves all axes: it is put on the first.
        divisors = [np.full(w.coarse, float(override) if k == 0 else 1.0)
                    for k, w in enumerate(windows)]  # fmt: skip
    else:
        include, pads = bool(a.get("count_include_pad", True)), paddings(a, rank)
        divisors = [average_divisor(w, p, include) for w, p in zip(windows, pads, strict=True)]
    operators = [AxisOperator.of_window(w, d) for w, d in zip(windows, divisors, strict=True)]
    return pool_axes(t, a["self"], operators, "average", name)


def _adaptive_pool(t: AtenTracer, a: Arguments, name: str, rank: int, mode: str) -> Nodes:
    size = a["output_size"]
    sizes = [size] * rank if isinstance(size, int) else list(size) * (rank // len(size))
    pairs = zip(a["self"].shape[-rank:], sizes, strict=True)
    operators = [AxisOperator.adaptive(n, m or n, average=mode == "average") for n, m in pairs]
    return pool_axes(t, a["self"], operators, mode, name)


def _register(rank: int) -> None:
    """Register the poolings over `rank` spatial axes."""
    handles(f"max_pool{rank}d", f"max_pool{rank}d_with_indices")(
        lambda t, a, name: _max_pool(t, a, name.replace("_with_indices", ""), rank)
    )
    handles(f"avg_pool{rank}d")(lambda t, a, name: _average_pool(t, a, name, rank))
    handles(f"adaptive_avg_pool{rank}d")(
        lambda t, a, name: _adaptive_pool(t, a, name, rank, "average")
    )
    handles(f"adaptive_max_pool{rank}d")(lambda t, a, name: _adaptive_pool(t, a, name, rank, "max"))


for _rank in (1, 2, 3):
    _register(_rank)


def reduce_axes(t: AtenTracer, a: Arguments, name: str, mode: str) -> Nodes | None:
    """Pool whole axes away; None where the batch is among them."""
    x = a["self"]
    ndim, dims = len(x.shape), a.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    axes = sorted({d % ndim for d in dims}) if dims else list(range(ndim))
    whole = len(axes) == ndim and ndim > 1 and t.batch == 1 == x.shape[0]
    if whole:
        axes = axes[1:]
    elif ndim > 1 and 0 in axes and x.shape[0] == t.batch:
        return None  # samples are mixed
    kept = [d for d in range(ndim) if d not in axes]
    moved = Nodes(x.tensor.permute(*kept, *axes))
    operators = [AxisOperator.adaptive(x.shape[d], 1, average=mode == "average") for d in axes]
    ids = pool_axes(t, moved, operators, mode, name).tensor
    keep, dropped = bool(a.get("keepdim", False)), range(ndim) if whole else axes
    shape = [1 if d in axes else x.shape[d] for d in range(ndim) if keep or d not in dropped]
    return Nodes(ids.reshape(shape))


@handles("mean")
def mean(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Average over whole axes."""
    return reduce_axes(t, a, name, "average")


@handles("sum")
def total(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Sum over whole axes: edges of weight one."""
    return reduce_axes(t, a, name, "sum")


@handles("amax", "max")
def largest(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take the maximum over whole axes: an edge from each candidate."""
    return maximum(t, a, name) if "other" in a else reduce_axes(t, a, name, "max")


@handles("amin", "min")
def smallest(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take the minimum over whole axes: an edge from each candidate."""
    return minimum(t, a, name) if "other" in a else reduce_axes(t, a, name, "min")


@handles("linalg_vector_norm", "norm")
def norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Take the norm over whole axes: a sum of squares, and its root."""
    t.builder.activate(t.sample(a["self"]), "pow")
    return _finished(t, reduce_axes(t, a, name, "sum"), "sqrt")


def _variance(
    t: AtenTracer, a: Arguments, name: str, activation: str = "", *, and_mean: bool = False
) -> Any:
    """Take the variance over whole axes: an average of squares."""
    t.builder.activate(t.sample(a["self"]), "pow")
    made = reduce_axes(t, a, name, "average")
    made = _finished(t, made, activation) if activation else made
    return [made, mean(t, a, f"{name}.mean")] if and_mean else made


handles("var")(_variance)
handles("std")(partial(_variance, activation="sqrt"))
handles("var_mean")(partial(_variance, and_mean=True))
handles("std_mean")(partial(_variance, activation="sqrt", and_mean=True))


def _finished(t: AtenTracer, made: Nodes | None, activation: str) -> Nodes | None:
    if made is not None:
        t.builder.activate(t.sample(made), activation)
    return made
