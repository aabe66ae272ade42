"""Pooling: over windows, over adaptive windows, over whole axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cntgraph.adapters.torch.aten.geometry import average_divisor, paddings, pool_windows
from cntgraph.adapters.torch.aten.tracer import AtenTracer, handles
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.blocks import Stencil


def _pool(t: AtenTracer, x: Nodes, stencils: Sequence[Stencil], mode: str, name: str) -> Nodes:
    """Pool the last axes; all other axes but the batch are channels."""
    rank = len(stencils)
    lead, spatial = x.shape[:-rank], x.shape[-rank:]
    sample = t.first(x.ids.reshape(prod(lead), *spatial)).numpy()
    made = t.builder.pool(name, sample, tuple(stencils), mode)
    return t.batched(made, (*lead, *made.shape[1:]))


def _max_pool(t: AtenTracer, a: Arguments, name: str, rank: int) -> Nodes:
    windows = pool_windows(a, a["self"].shape[-rank:])
    return _pool(t, a["self"], [Stencil.of_window(w) for w in windows], "max", name)


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
    stencils = [Stencil.of_window(w, d) for w, d in zip(windows, divisors, strict=True)]
    return _pool(t, a["self"], stencils, "average", name)


def _adaptive_pool(t: AtenTracer, a: Arguments, name: str, rank: int, mode: str) -> Nodes:
    size = a["output_size"]
    sizes = [size] * rank if isinstance(size, int) else list(size) * (rank // len(size))
    pairs = zip(a["self"].shape[-rank:], sizes, strict=True)
    stencils = [Stencil.adaptive(n, m or n, average=mode == "average") for n, m in pairs]
    return _pool(t, a["self"], stencils, mode, name)


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


def _reduce(t: AtenTracer, a: Arguments, name: str, mode: str) -> Nodes | None:
    """Pool whole axes away; None where the batch is among them."""
    x: Nodes = a["self"]
    ndim, dims = len(x.shape), a.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    axes = sorted({d % ndim for d in dims}) if dims else list(range(ndim))
    if ndim > 1 and 0 in axes and x.shape[0] == t.batch:
        return None
    kept = [d for d in range(ndim) if d not in axes]
    moved = Nodes(x.ids.permute(*kept, *axes))
    stencils = [Stencil.adaptive(x.shape[d], 1, average=mode == "average") for d in axes]
    ids = _pool(t, moved, stencils, mode, name).ids
    keep = bool(a.get("keepdim", False))
    shape = [1 if d in axes else x.shape[d] for d in range(ndim) if keep or d in kept]
    return Nodes(ids.reshape(shape))


@handles("mean")
def mean(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Average over whole axes."""
    return _reduce(t, a, name, "average")


@handles("sum")
def total(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Sum over whole axes: edges of weight one."""
    return _reduce(t, a, name, "sum")


@handles("amax")
def maximum(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Take the maximum over whole axes: an edge from each candidate."""
    return _reduce(t, a, name, "max")
