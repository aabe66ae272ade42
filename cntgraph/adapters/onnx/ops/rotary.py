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


@handles("com.microsoft.RotaryEmbedding")
def of_runtime(t: OnnxTracer, call: Call) -> Any:
    """Do as ONNX's own operation, which has the same inputs in another order."""
    x, positions, cos, sin = call.inputs
    return t.perform(call, "RotaryEmbedding", x, cos, sin, positions)


@handles("RotaryEmbedding")
def rotary_embedding(t: OnnxTracer, call: Call) -> Any:
    """Return x · cos + turned(x) · sin of the first features of each head, as models write it."""
    x, cos, sin, positions = call.neurons, *(call.input(k) for k in (1, 2, 3))
    if any(isinstance(table, Nodes | Data) for table in (cos, sin)):
        raise NotFollowed("it rotates by angles that depend on the input")
    flat, n_heads = len(x.shape) == 3, int(call.get("num_heads", 0))
    heads = x.ids
    if flat:
        n_heads = n_heads or x.shape[-1] // (2 * concrete(cos).shape[-1])
        heads = heads.reshape(*x.shape[:2], n_heads, x.shape[-1] // n_heads).swapaxes(1, 2)
    size = int(call.get("rotary_embedding_dim", 0)) or heads.shape[-1]
    # A pair is two neighbors, or of the two halves.
    beside, pair = bool(call.get("interleaved", 0)), np.arange(size)
    second = pair % 2 == 1 if beside else pair >= size // 2
    partner = pair ^ 1 if beside else (pair + size // 2) % size
    places = None if positions is None else _positions(t, call, positions)
    angle = pair // 2 if beside else pair % (size // 2)
    rows = [_rows(concrete(table), heads.shape[2], places)[:, None, :, angle]
            for table in (cos, sin)]  # fmt: skip
    branches = [
        t.scale(Nodes(ids), t.recipe(factor), None, f"{call.name}.{label}", parametric=False)
        for ids, factor, label in (
            (heads[..., :size], rows[0], "cos"),
            (heads[..., partner], rows[1] * np.where(second, 1.0, -1.0), "sin"),
        )
    ]
    turned = arithmetic.add_branches(t, branches, call.name)
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


def _rows(table: NDArray[Any], n: int, positions: Any) -> NDArray[Any]:
    """Return the rows of a table that belong to n positions, the batch first.

    Parameters
    ----------
    table : ndarray
        One row per position, or shape (batch, positions, features / 2).
    positions : ndarray or None
        Which rows, shape (batch, positions), or the first of them, shape (1,); from the first row
        on by default.
    """
    if table.ndim == 3:
        return table
    places = np.arange(n)[None]
    if positions is not None:
        given = np.asarray(positions)
        places = given if given.ndim == 2 else places + given.reshape(-1)[0]
    rows: NDArray[Any] = table[places]
    return rows
