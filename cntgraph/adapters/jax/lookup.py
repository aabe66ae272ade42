"""Embeddings: rows of a table, picked by integers of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.jax.movement import MOVEMENTS
from cntgraph.adapters.jax.numeric import ELEMENTWISE, computed
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Choice, Nodes, Value, Weight, has_nodes
from cntgraph.adapters.jax.weights import whole
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.tokens import AS_IN_EXAMPLE
from cntgraph.core.types import Array


def _tokens_of(t: JaxTracer, value: Value, component: int, n_entries: int) -> Nodes | None:
    """Return the integer input that a component of an index is, entry by entry.

    JAX counts negative indices from the end and keeps others within bounds; for those from zero
    to the number of entries, this changes nothing. Where a function of the input makes others of
    some, they are what they are in the example.

    Parameters
    ----------
    value : value
        An index, its components along the last axis.
    n_entries : int
        What it chooses from.
    """
    if isinstance(value, Nodes):
        return replace(value, ids=value.ids[..., component]) if value.is_index else None
    if not isinstance(value, Choice):
        return None
    return _chosen(t, value, n_entries, lambda index: index[..., component])


def _chosen(
    t: JaxTracer, value: Choice, n_entries: int, read: Callable[[Array], Array]
) -> Nodes | None:  # fmt: skip
    """Return the integer input that a choice shows, entry by entry.

    Parameters
    ----------
    read : callable
        Returns the indices from what is computed of the input.
    """
    inside = _parts(value)
    sources = {id(a): a for part in inside for a in part.args if isinstance(a, Nodes)}
    known = all(part.op.name in ELEMENTWISE | MOVEMENTS for part in inside)
    weights = any(isinstance(a, Weight) for part in inside for a in part.args)
    if len(sources) != 1 or not known or weights:
        return None
    (tokens,) = sources.values()

    def follow(numbers: Any) -> Array:
        results: dict[int, Any] = {id(tokens): np.broadcast_to(numbers, tokens.shape)}
        for part in inside:
            args = [results.get(id(a), a) for a in part.args]
            (results[id(part)],) = computed(part.op, args)
        return read(np.asarray(results[id(value)]))

    tried = sorted({0, min(1, n_entries - 1), n_entries // 2, n_entries - 1})
    kept = {k: follow(k) == k for k in tried}
    example = t.example_of(tokens)
    good = [k for k, same in kept.items() if (same.all() if example is None else same.any())]
    # Of an example it is known which are made others, as some of those that are tried may be.
    some = example is not None and len(good) > 1 and good[-1] > 1
    if good != tried and not some:
        return None
    low, high = good[0], good[-1]
    # Which token an entry shows is found out digit by digit.
    places = np.arange(tokens.ids.size).reshape(tokens.shape)
    digits = (follow(np.where(places >> k & 1, high, low)) == high
              for k in range(int(tokens.ids.size).bit_length()))  # fmt: skip
    shows = kept[low] & kept[high]
    shown = np.where(shows, sum(digit * (1 << k) for k, digit in enumerate(digits)), 0)
    ids = tokens.ids.reshape(-1)[shown] if n_entries > 1 else np.broadcast_to(
        tokens.ids, np.shape(shown))  # fmt: skip
    if example is not None:
        numbers = follow(example)
        other = ~shows | (example.reshape(-1)[shown] != numbers)
        if (other & (follow(low) != follow(high))).any():
            t.note(t.label(value.op), AS_IN_EXAMPLE)
        ids = np.where(other, t.as_tokens(np.asarray(numbers), ""), ids)
    return Nodes(ids, is_index=True)


def _parts(value: Value) -> list[Choice]:
    """Return the choices that one is made of, itself included, each before what reads it."""
    found: dict[int, Choice] = {}
    waiting: list[tuple[Value, bool]] = [(value, False)]
    while waiting:
        item, done = waiting.pop()
        if not isinstance(item, Choice) or id(item) in found:
            continue
        if done:
            found[id(item)] = item
        else:
            waiting.append((item, True))
            waiting.extend((arg, False) for arg in item.args)
    return list(found.values())


def one_hot_tokens(t: JaxTracer, value: Value, axes: Sequence[int]) -> Nodes | None:
    """Return the integer input whose one-hot vectors lie along an axis of a value."""
    if not isinstance(value, Choice) or len(axes) != 1:
        return None
    (axis,) = axes

    def read(vectors: Array) -> Array:
        one_hot = ((vectors == 0) | (vectors == 1)).all() and (vectors.sum(axis) == 1).all()
        return vectors.argmax(axis) if one_hot else np.full(vectors.shape[:axis], -1)

    return _chosen(t, value, value.shape[axis], read)


@handles("gather")
def gather(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Return rows of a table that an integer input chooses."""
    table, indices = args
    if not isinstance(table, Weight) or not has_nodes(indices):
        raise NotFollowed("what depends on the data chooses what is moved")
    chosen = _chosen_axis(op, table.shape)
    if chosen is None:
        raise NotFollowed("what depends on the data chooses parts of a weight")
    axis, component = chosen
    tokens = _tokens_of(t, indices, component, table.shape[axis])
    if tokens is None:
        raise NotFollowed("it looks up rows of a table by indices that are computed from the data")
    d, n = op.params["dimension_numbers"], len(table.shape)
    recipe = whole(table, range(n)).recipe.transpose((axis, *(k for k in range(n) if k != axis)))
    sizes = (1 if k == axis else size for k, size in enumerate(table.shape)
             if k not in d.collapsed_slice_dims)  # fmt: skip
    made = look_up(t, recipe, tokens, t.label(op)).ids.reshape(*tokens.shape, *sizes)
    made = np.moveaxis(made, range(tokens.ids.ndim, made.ndim), d.offset_dims)
    return Nodes(made.reshape(op.outputs[0].shape))


def _chosen_axis(op: Op, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the one axis of a table along which a gather picks whole rows; None if it does not.

    Which component of an index chooses along it comes second.
    """
    d, sizes = op.params["dimension_numbers"], tuple(op.params["slice_sizes"])
    chosen = [int(axis) for axis in d.start_index_map]
    partly = [axis for axis, n in enumerate(shape) if sizes[axis] != n]
    along = partly or [axis for axis in chosen if sizes[axis] == 1]
    if getattr(d, "operand_batching_dims", ()) or len(along) != 1 or along[0] not in chosen:
        return None
    (axis,) = along
    collapsed = [int(k) for k in d.collapsed_slice_dims]
    return (axis, chosen.index(axis)) if sizes[axis] == 1 and collapsed in ([], [axis]) else None
