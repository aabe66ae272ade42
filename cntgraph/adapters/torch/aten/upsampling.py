"""Up-sampling between nodes; the nearest node is shown again, which is data movement."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import pool
from cntgraph.adapters.tracing.windows import per_axis
from cntgraph.network.blocks import AxisOperator


@handles("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def upsample(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Interpolate linearly along every spatial axis."""
    x = a.get("input", a.get("self"))
    if not isinstance(x, Nodes):
        return None
    rank = len(x.shape) - 2
    factors = _factors(a, rank)
    if a["output_size"] is not None:
        sizes = per_axis(a["output_size"], rank)
    else:
        assert factors is not None
        # As PyTorch rounds: the product in the precision of the factor.
        sizes = tuple(int(np.float64(n) * f) for n, f in zip(x.shape[2:], factors, strict=True))
    aligned = bool(a["align_corners"])
    operators = [
        AxisOperator.linear(
            n, m, align_corners=aligned, scale=None if factors is None else factors[k]
        )
        for k, (n, m) in enumerate(zip(x.shape[2:], sizes, strict=True))
    ]
    return pool(t, x, operators, "linear", name)


def _factors(a: Arguments, rank: int) -> tuple[float, ...] | None:
    """Return the factors that were asked for, in whatever way they are handed over."""
    given = a.get("scale_factors")
    if given is None:
        names = ("scales",) if rank == 1 else ("scales_d", "scales_h", "scales_w")[-rank:]
        given = [a.get(key) for key in names]
    if any(factor is None for factor in given):
        return None
    return tuple(float(factor) for factor in given)


@handles("upsample_bicubic2d", "upsample_bicubic2d_aa", "upsample_bilinear2d_aa")
def refuse(t: AtenTracer, a: Arguments, name: str) -> NoReturn:
    """Refuse what has weights of both signs, or windows of its own."""
    raise NotFollowed(
        "has weights of both signs; use the mode 'nearest' or 'bilinear', no antialias"
    )
