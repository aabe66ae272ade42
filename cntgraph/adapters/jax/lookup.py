"""Embeddings: rows of a table, picked by integers of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.jax.evaluation import evaluate
from cntgraph.adapters.jax.movement import EXACT
from cntgraph.adapters.jax.numeric import ELEMENTWISE
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.rows import rows_of
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import (
    Lazy,
    Nodes,
    Value,
    Weight,
    has_nodes,
    parts,
    without,
)
from cntgraph.adapters.jax.weights import whole
from cntgraph.adapters.tracing.tables import look_up


def tokens_of(value: Value, component: int | None, n_entries: int) -> Nodes | None:
    """Return the integer input that a component of an index is, entry by entry.

    JAX counts negative indices from the end and keeps others within bounds; for those from zero
    to the number of entries, this changes nothing.

    Parameters
    ----------
    value : value
        An index, its components along the last axis.
    component : int or None
        None where it has one alone, and no axis for them.
    n_entries : int
        What it chooses from.
    """
    part: Any = (...,) if component is None else (..., component)
    if isinstance(value, Nodes):
        return replace(value, ids=value.ids[part]) if value.is_index else None
    if not isinstance(value, Lazy):
        return None
    inside = parts(value)
    sources = {id(a): a for part in inside for a in part.args if isinstance(a, Nodes)}
    known = all(part.op.name in ELEMENTWISE or part.op.name in EXACT for part in inside)
    if len(sources) != 1 or not known or any(_is_weight(part) for part in inside):
        return None
    (tokens,) = sources.values()
    if not tokens.is_index:
        return None

    def follow(numbers: Any) -> Any:
        wide = np.broadcast_to(numbers, tokens.shape)
        return np.asarray(evaluate(value, {id(tokens): wide}))[part]

    if any((follow(k) != k).any() for k in {0, n_entries // 2, n_entries - 1}):
        return None
    # Which token an entry shows is found out digit by digit: numbers below two are in bounds.
    places = np.arange(tokens.ids.size).reshape(tokens.shape)
    shown = sum(follow(places >> k & 1) << k for k in range(int(tokens.ids.size).bit_length()))
    ids = tokens.ids.reshape(-1)[shown] if n_entries > 1 else np.broadcast_to(
        tokens.ids, np.shape(shown))  # fmt: skip
    return Nodes(ids, value.batch, is_index=True)


def _is_weight(part: Lazy) -> bool:
    return any(isinstance(a, Weight) for a in part.args)


def one_hot_tokens(value: Value, axes: Sequence[int]) -> Nodes | None:
    """Return the integer input whose one-hot vectors lie along an axis of a value."""
    while isinstance(value, Lazy) and value.op.name == "convert_element_type":
        value = value.args[0]
    if not isinstance(value, Lazy) or value.op.name != "eq" or len(axes) != 1:
        return None
    (axis,) = axes
    for index, entries in (value.args, value.args[::-1]):
        if not has_nodes(index) or not isinstance(entries, np.ndarray):
            continue
        along = np.moveaxis(np.broadcast_to(entries, value.shape), axis, -1)
        if index.shape[axis] != 1 or (along != np.arange(value.shape[axis])).any():
            continue
        tokens = tokens_of(index, None, value.shape[axis])
        if tokens is not None:
            batch = tokens.batch
            batch = None if batch is None else batch - (batch > axis)
            return Nodes(without(tokens.ids, axis), batch, is_index=True)
    return None


@handles("gather")
def gather(t: Scaling, op: Op, args: list[Any]) -> Any:
    """Return rows of a table that an integer input chooses."""
    table, indices = args
    if not isinstance(table, Weight) or not has_nodes(indices):
        return "what depends on the data chooses what is moved"
    picked = rows_of(op, table.shape)
    if picked is None:
        return "what depends on the data chooses parts of a weight"
    tokens = tokens_of(indices, picked.component, table.shape[picked.axis])
    if tokens is None:
        return "it looks up rows of a table by indices that are computed from the data"
    recipe = picked.axis_first(whole(table, range(len(table.shape))).recipe)
    made = look_up(t, recipe, tokens, t.label(op)).ids
    made = made.reshape(*tokens.shape, *picked.features(recipe.shape[1:]))
    made = np.moveaxis(made, range(tokens.ids.ndim, made.ndim), picked.offsets)
    out = op.outputs[0]
    return Nodes(made.reshape(out.shape), out.batch)
