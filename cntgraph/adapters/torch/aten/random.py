"""Random numbers that a model draws: noise is no neuron, and a random choice hides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from cntgraph.adapters.torch.aten.values import TRACED, Call, name_of_operation
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Source

#: Operations that draw numbers, and what these are: noise, or masks and places.
_DRAWN: Mapping[str, Source] = {
    **dict.fromkeys("cauchy exponential log_normal normal rand rand_like randn randn_like "
                    "uniform".split(), "noise"),
    **dict.fromkeys("bernoulli geometric randint randint_like random randperm".split(), "mask"),
}  # fmt: skip


@cache
def is_random(operation: Any) -> bool:
    """Whether an operation draws random numbers."""
    return name_of_operation(operation).rstrip("_") in _DRAWN


def draw(t: Tracer, call: Call) -> Any:
    """Return what stands for random numbers; None where neurons say how probable each is."""
    name = call.name.rstrip("_")
    made = Data(tuple(call.shapes), source=_DRAWN[name])
    if call.name.endswith("_") or not call.has(TRACED):
        return made
    if name == "normal":
        label = call.place.name(name)
        noise = arithmetic.multiply(t, made, call.arguments["std"], label)
        return arithmetic.add(t, noise, call.arguments["mean"], label)
    return None if name == "bernoulli" else made
