"""Movement that brings in positions of its own, or takes neurons away; of weights it makes weights.

Any other movement is the framework's own operator, applied to ids or to a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import weights_of
from cntgraph.core.recipe.movement import padded


def pad(
    t: Tracer, x: Any, widths: Sequence[Sequence[int]], value: Any, name: str, *,
    mode: str = "constant",
) -> Any:  # fmt: skip
    """Return neurons or weights with more of them before and behind each axis, as `numpy.pad`.

    Parameters
    ----------
    widths : sequence of (int, int)
        One per axis; a negative one takes away.
    value : number, weights or constant of one value
        What it pads with: a node of that value, none where it is zero; of tokens another one.
    """
    recipe, number = weights_of(x), t.array(value)
    if recipe is not None:
        return padded(recipe, widths, 0.0 if number is None else number.item(), mode)
    ends = zip(widths, x.shape, strict=True)
    ids = x.ids[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in ends)]
    wide = [(max(before, 0), max(behind, 0)) for before, behind in widths]
    if mode != "constant":
        return t.neurons(np.pad(ids, wide, mode), like=x)  # type: ignore[call-overload]
    nodes_of = t.as_tokens if x.is_index else t.as_ids
    fill = nodes_of(value, name).item() if np.any(wide) else -1
    return t.neurons(np.pad(ids, wide, constant_values=fill), like=x)


def triangle(t: Tracer, x: Any, diagonal: int, name: str, *, upper: bool) -> Any:
    """Return neurons or weights of which those below a diagonal are zero, or those above it."""
    rows, columns = x.shape[-2:]
    keep = np.tri(rows, columns, diagonal - upper, dtype=bool) ^ upper
    return arithmetic.select(t, keep, (x, 0.0), name)
