"""Movement of data that takes neurons away or brings in positions without one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.operations import OF_A_SHAPE, handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing import movement
from cntgraph.adapters.tracing.values import is_tokens


@handles("constant_pad_nd", of_weights=True)
def constant_pad(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Pad with positions that are no nodes, or, other than by zero, that show one node."""
    pairs = [*zip(a["pad"][::2], a["pad"][1::2], strict=True)][::-1]
    widths = [(0, 0)] * (len(a["self"].shape) - len(pairs)) + pairs
    return movement.pad(t, a["self"], widths, a.get("value") or 0.0, name)


def _triangle(t: AtenTracer, a: Arguments, name: str, *, upper: bool) -> Any:
    return movement.triangle(t, a["self"], a["diagonal"], name, upper=upper)


handles("tril", of_weights=True)(partial(_triangle, upper=False))
handles("triu", of_weights=True)(partial(_triangle, upper=True))


@handles("cat", "concat", "concatenate")
def concatenate(t: AtenTracer, a: Arguments, name: str) -> Nodes:
    """Join nodes; a parameter among them (a class token) is nodes, too."""
    parts, dim = a["tensors"], int(a.get("dim") or 0)
    if any(isinstance(x, Nodes) and x.is_index for x in parts):
        return t.neurons(np.concatenate([t.as_tokens(part, name) for part in parts], dim))
    return Nodes(torch.cat([t.fixed(part).tensor for part in parts], dim))


@handles("reshape_alias")
def reshape(t: AtenTracer, a: Arguments, name: str) -> Nodes:
    """Reshape; the strides asked for are those of the values, not of the ids."""
    return Nodes(a["self"].tensor.reshape(tuple(a["size"])))


def _constant(t: AtenTracer, a: Arguments, name: str, value: int | None) -> Nodes | torch.Tensor:
    """Make a constant of the shape of nodes; what holds anything is there for nodes to fill."""
    sizes, value = tuple(a.get("size", a["self"].shape)), a.get("fill_value", value)
    dtype = a.get("dtype") or a["self"].dtype or torch.float32
    if value is None and dtype.is_floating_point:
        return Nodes(torch.full(sizes, -1, dtype=torch.int64))
    return torch.full(sizes, value or 0, dtype=dtype)


for _name, _value in OF_A_SHAPE.items():
    handles(_name)(partial(_constant, value=_value))


@handles("copy", "fill", "zero")
def overwrite(t: AtenTracer, a: Arguments, name: str) -> Nodes:
    """Write nodes over nodes, or a constant, which is one node unless it is zero."""
    base, written = a["self"], a.get("src", a.get("value", 0))
    if is_tokens(base):
        return Nodes(torch.from_numpy(t.as_tokens(written, name)).expand(base.shape).clone())
    return Nodes(t.fixed(written).tensor.expand(base.shape).clone())
