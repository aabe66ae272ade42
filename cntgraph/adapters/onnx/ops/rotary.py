"""Rotary positions: pairs of features turned by an angle that their position says."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.onnx.ops.arithmetic import add_nodes
from cntgraph.adapters.onnx.tracer import NotFollowedError, OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Derived, Nodes, concrete
from cntgraph.recipe import Recipe


@handles("RotaryEmbedding", "com.microsoft.RotaryEmbedding")
def rotary_embedding(t: OnnxTracer, call: Call) -> Any:
    """Turn pairs of features of each head, or of the first features of each head."""
    x, own = call.inputs[0], call.node.domain != "com.microsoft"
    cos, sin, positions = call.inputs[1:4] if own else [*call.inputs[2:4], call.inputs[1]]
    if not isinstance(x, Nodes):
        return None
    flat, n_heads = len(x.shape) == 3, int(call.get("num_heads", 0))
    size = int(call.get("rotary_embedding_dim", 0))
    heads = x.ids
    if flat:
        n_heads = n_heads or x.shape[-1] // (2 * concrete(cos).shape[-1])
        heads = heads.reshape(*x.shape[:2], n_heads, x.shape[-1] // n_heads).swapaxes(1, 2)
    size = size or heads.shape[-1]
    places = None if positions is None else _positions(t, call, positions)
    turned = rotated(t, Nodes(heads[..., :size]), cos, sin, call.name, places,
                     interleaved=bool(call.get("interleaved", 0)))  # fmt: skip
    made = np.concatenate([turned.ids, heads[..., size:]], -1)
    return Nodes(made.swapaxes(1, 2).reshape(x.shape) if flat else made)


def _positions(t: OnnxTracer, call: Call, value: Any) -> Any:
    """Return the positions of one sample; in order, where they depend on the input."""
    if isinstance(value, Nodes | Derived):
        found = t.example_of(value)
        t.note(call.name, "positions that depend on the input are taken in order")
        return None if found is None else np.asarray(found)
    return concrete(value)


def rotated(
    t: OnnxTracer,
    x: Nodes,
    cos: Any,
    sin: Any,
    name: str,
    positions: Any = None,
    *,
    interleaved: bool = False,
) -> Nodes:
    """Return x · cos + turned(x) · sin, as models have it that write it out.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    x : Nodes
        Shape (batch, heads, positions, features).
    cos, sin : ndarray
        Shape (positions, features / 2), or (batch, positions, features / 2).
    name : str
        A name for what it makes.
    positions : ndarray, optional
        Which rows of the tables; the first ones by default.
    interleaved : bool, default False
        Whether a pair is two neighbours, rather than of the two halves.

    Returns
    -------
    Nodes
    """
    n, width = x.shape[2:]
    tables = []
    for table in (cos, sin):
        if isinstance(table, Nodes | Derived):
            raise NotFollowedError("it rotates by angles that depend on the input")
        values = concrete(table)
        values = values[0] if values.ndim == 3 else values
        rows = np.arange(n) if positions is None else np.ravel(positions)[-n:]
        part = values[rows] if len(values) != n or positions is not None else values
        tables.append(np.repeat(part, 2, -1) if interleaved else np.concatenate([part, part], -1))
    ids, half = x.ids, width // 2
    sign = np.ones(width)
    if interleaved:
        partner = np.arange(width) ^ 1
        sign[0::2] = -1.0
    else:
        partner = (np.arange(width) + half) % width
        sign[:half] = -1.0
    angle = {"parametric": False}
    kept = t.scale(x, Recipe.constant(tables[0]), None, f"{name}.cos", **angle)
    other = t.scale(Nodes(ids[..., partner]), Recipe.constant(tables[1] * sign), None,
                    f"{name}.sin", **angle)  # fmt: skip
    return add_nodes(t, [kept, other], None, name)
