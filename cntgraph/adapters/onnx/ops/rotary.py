"""Rotary positions: pairs of features turned by an angle that their position says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data


@handles("RotaryEmbedding", "com.microsoft.RotaryEmbedding")
def rotary_embedding(t: OnnxTracer, call: Call) -> Any:
    """Turn pairs of features of each head, or of the first features of each head."""
    x, own = call.inputs[0], call.node.domain != "com.microsoft"
    cos, sin, positions = (call.input(k) for k in ((1, 2, 3) if own else (2, 3, 1)))
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
    """Return the positions of tokens; in order, where they depend on the input."""
    if not isinstance(value, Nodes | Data):
        return concrete(value)
    found = t.example_of(value)
    if found is None:
        t.note(call.name, "positions that depend on the input are taken in order")
    return found


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
    x : Nodes
        Shape (batch, heads, positions, features).
    cos, sin : ndarray
        One row per position, or shape (batch, positions, features / 2).
    name : str
        A name for what it makes.
    positions : ndarray, optional
        Which rows, shape (batch, positions), or the first of them, shape (1,); from the first row
        on by default.
    interleaved : bool, default False
        Whether a pair is two neighbours, rather than of the two halves.
    """
    n, width = x.shape[2:]
    tables = []
    for table in (cos, sin):
        if isinstance(table, Nodes | Data):
            raise NotFollowed("it rotates by angles that depend on the input")
        part = _rows(concrete(table), n, positions)[:, None]
        tables.append(np.repeat(part, 2, -1) if interleaved else np.concatenate([part, part], -1))
    half, sign = width // 2, np.ones(width)
    if interleaved:
        partner = np.arange(width) ^ 1
        sign[0::2] = -1.0
    else:
        partner = (np.arange(width) + half) % width
        sign[:half] = -1.0
    angles = [t.recipe(table) for table in (tables[0], tables[1] * sign)]
    kept = t.scale(x, angles[0], None, f"{name}.cos", parametric=False)
    other = Nodes(x.ids[..., partner])
    turned = t.scale(other, angles[1], None, f"{name}.sin", parametric=False)
    made: Nodes = arithmetic.add_branches(t, [kept, turned], name)
    return made


def _rows(table: NDArray[Any], n: int, positions: Any) -> NDArray[Any]:
    """Return the rows of a table that belong to the positions, the batch first."""
    if table.ndim == 3:
        return table
    places = np.arange(n)[None]
    if positions is not None:
        given = np.asarray(positions)
        places = given if given.ndim == 2 else places + given.reshape(-1)[0]
    rows: NDArray[Any] = table[places]
    return rows
