"""Choices: masks, conditions, the larger of two."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import arithmetic


@handles("masked_fill")
def masked_fill(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take away the neurons that a constant mask names."""
    if not isinstance(a["self"], Nodes):
        return None
    return where(t, {"condition": a["mask"], "self": a["value"], "other": a["self"]}, name)


@handles("where")
def where(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Choose between nodes, or between nodes and a constant; a constant choice moves nodes."""
    choice, options = a["condition"], [a.get("self"), a.get("other")]
    if isinstance(choice, torch.Tensor):
        return Nodes(torch.where(choice.cpu(), *(t.fixed(value).tensor for value in options)))
    return arithmetic.select(t, choice, options, name)


@handles("maximum", "fmax")
def maximum(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Choose the larger of two."""
    return arithmetic.extreme(t, [a["self"], a["other"]], "max", name)


@handles("minimum", "fmin")
def minimum(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Choose the smaller of two."""
    return arithmetic.extreme(t, [a["self"], a["other"]], "min", name)
