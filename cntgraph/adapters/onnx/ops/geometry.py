"""How ONNX's windows slide, from the attributes of an operation."""

from __future__ import annotations

from dataclasses import replace

from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.windows import Rule, Sizes, Sliding, halves

#: What automatic paddings are called here.
_RULES: dict[str, Rule] = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


def sliding_of(call: Call, kernel: Sizes) -> Sliding:
    """Return how the windows of an operation slide."""
    rank, auto = len(kernel), call.get("auto_pad", "NOTSET")
    strides, dilations = (_sizes(call, key, rank) for key in ("strides", "dilations"))
    given = [int(n) for n in call.get("pads") or [0] * 2 * rank]
    pads = _RULES.get(auto) or list(zip(given[:rank], given[rank:], strict=True))
    return Sliding(kernel, strides, pads, dilations, bool(call.get("ceil_mode", 0)))


def _sizes(call: Call, name: str, rank: int) -> list[int]:
    """Return an attribute with one value per axis; one is the default."""
    sizes = [int(n) for n in call.get(name) or [1] * rank]
    if len(sizes) != rank or min(sizes, default=1) < 1:
        raise ValueError(f"{name} {sizes} for {rank} axes")
    return sizes


def extra_of(call: Call) -> Sizes:
    """Return how many positions a transposed convolution makes behind, besides all others."""
    return [int(n) for n in call.get("output_padding") or [0]]


def transposed_sliding_of(call: Call, kernel: Sizes, spatial: Sizes) -> Sliding:
    """Return how the windows of a transposed convolution slide, whose output may have a size.

    Parameters
    ----------
    spatial : sequence of int
        Sizes of the axes of what it reads.
    """
    sliding, auto = sliding_of(call, kernel), call.get("auto_pad", "NOTSET")
    wanted = call.get("output_shape")
    if not wanted and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(spatial, _sizes(call, "strides", len(kernel)), strict=True)]
    if not wanted:
        return sliding
    full = replace(sliding, padding="valid").transposed(spatial, extra_of(call))
    sizes = [int(n) for n in wanted][-len(kernel) :]
    totals = [window.fine - n for window, n in zip(full, sizes, strict=True)]
    if min(totals) < 0:
        raise NotFollowed("its output is larger than what it reads from can reach")
    return replace(sliding, padding=[halves(n, lower=auto != "SAME_UPPER") for n in totals])
