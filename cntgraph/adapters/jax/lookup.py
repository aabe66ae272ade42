"""Embeddings: rows of a table, picked by integers of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.adapters.jax.meaning import evaluate
from cntgraph.adapters.jax.movement import REARRANGING, move
from cntgraph.adapters.jax.numeric import ELEMENTWISE
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import (
    Lazy,
    Nodes,
    Value,
    Weight,
    has_nodes,
    name_of,
    parts,
    without,
)
from cntgraph.adapters.jax.weights import rows_of, whole

if TYPE_CHECKING:
    from cntgraph.adapters.jax.tracer import Tracer


def tokens_of(value: Value, n_entries: int) -> Nodes | None:
    """Return the integer input that an index is, for every entry that it may choose.

    JAX counts negative indices from the end; for those from zero on, this changes nothing.
    """
    moves: list[Lazy] = []
    shape, batch = value.shape, getattr(value, "batch", None)
    while isinstance(value, Lazy) and value.op.name in REARRANGING:
        moves.append(value)
        value = next(a for a in value.args if has_nodes(a))
    tokens = value if isinstance(value, Nodes) else _counted_from_zero(value, n_entries)
    if tokens is None or not tokens.is_index:
        return None
    ids = tokens.ids
    for step in reversed(moves):
        (ids,) = move(step.op, [ids])
    return Nodes(ids.reshape(shape), batch, is_index=True)


def _counted_from_zero(value: Value, n_entries: int) -> Nodes | None:
    """Return the integers that an expression is a function of, if it leaves them as they are."""
    inside = parts(value)
    sources = {id(a): a for part in inside for a in part.args if isinstance(a, Nodes)}
    if len(sources) != 1 or any(part.op.name not in ELEMENTWISE for part in inside):
        return None
    (tokens,) = sources.values()
    if not tokens.is_index or tokens.shape != value.shape or not isinstance(value, Lazy):
        return None
    if any(isinstance(a, Weight) for part in inside for a in part.args):
        return None
    entries = np.arange(n_entries)
    chosen = evaluate(value, {id(tokens): entries})
    return tokens if np.array_equal(chosen, entries) else None


def one_hot_tokens(value: Value, axes: Sequence[int]) -> Nodes | None:
    """Return the integer input whose one-hot vectors lie along an axis of a value."""
    while isinstance(value, Lazy) and value.op.name == "convert_element_type":
        value = value.args[0]
    if not isinstance(value, Lazy) or value.op.name != "eq" or len(axes) != 1:
        return None
    (axis,) = axes
    for tokens, entries in (value.args, value.args[::-1]):
        if isinstance(tokens, Nodes) and tokens.is_index and isinstance(entries, np.ndarray):
            along = np.moveaxis(np.broadcast_to(entries, value.shape), axis, -1)
            if tokens.shape[axis] == 1 and (along == np.arange(value.shape[axis])).all():
                batch = tokens.batch
                if batch is not None:
                    batch -= batch > axis
                return Nodes(without(tokens.ids, axis), batch, is_index=True)
    return None


@handles("gather")
def gather(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return rows of a table that an integer input chooses."""
    table, indices = args
    if not isinstance(table, Weight) or not has_nodes(indices):
        return "what depends on the data chooses what is moved"
    picked = rows_of(op, table.shape)
    if picked is None:
        return "what depends on the data chooses parts of a weight"
    axis, features = picked
    tokens = tokens_of(indices, table.shape[axis])
    if tokens is None:
        return "it looks up rows of a table by indices that are computed from the data"
    recipe = whole(table, range(len(table.shape))).recipe
    others = tuple(k for k in range(len(table.shape)) if k != axis)
    recipe = recipe.transpose((axis, *others))
    sizes = recipe.shape[1:]
    ids = tokens.ids[..., 0]
    sample = without(ids, tokens.batch)
    matrix = recipe.reshape((recipe.shape[0], -1))
    made = t.builder.embed(name_of(recipe) or t.label(op), sample, matrix)
    made = made.reshape(*ids.shape, *sizes)
    ndim, out = made.ndim, op.outputs[0]
    made = np.moveaxis(made, range(ids.ndim, ndim), features)
    return Nodes(made.reshape(out.shape), out.batch)
