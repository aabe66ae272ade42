"""Matrix products in any number of dimensions: nodes with weights, nodes with nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax.lookup import one_hot_tokens
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.pooling import resize_axis
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import Nodes, has_nodes, name_of
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import AxisOperator

if TYPE_CHECKING:
    from cntgraph.adapters.jax.tracer import Tracer


@dataclass(frozen=True)
class _Side:
    """The axes of one operand: those shared, those summed over, those of its own."""

    shared: tuple[int, ...]
    summed: tuple[int, ...]
    own: tuple[int, ...]

    @classmethod
    def of(cls, ndim: int, shared: Sequence[int], summed: Sequence[int]) -> _Side:
        taken = {*shared, *summed}
        own = tuple(axis for axis in range(ndim) if axis not in taken)
        return cls(tuple(map(int, shared)), tuple(map(int, summed)), own)


def _sides(op: Op, left: Any, right: Any) -> tuple[_Side, _Side]:
    summed, shared = op.params["dimension_numbers"]
    return (
        _Side.of(len(left.shape), shared[0], summed[0]),
        _Side.of(len(right.shape), shared[1], summed[1]),
    )


@handles("dot_general")
def product(t: Tracer, op: Op, args: list[Any]) -> Any:
    """Return a product over any axes.

    Its result has the shared axes first, then those of the left operand, then of the right.
    """
    left, right = args
    sides = _sides(op, left, right)
    if has_nodes(left) and has_nodes(right):
        return _nodes_with_nodes(t, op, t.nodes(left), t.nodes(right), sides)
    first = has_nodes(left)
    x, w = (left, right) if first else (right, left)
    of_x, of_w = sides if first else sides[::-1]
    tokens = one_hot_tokens(x, of_x.summed)
    if tokens is not None and not of_x.shared:
        return _embedding(t, op, tokens, w, of_w, swapped=not first)
    made = _with_weight(t, op, t.nodes(x), w, of_x, of_w)
    if made is None:
        return "it multiplies samples by weights of their own"
    if not first:  # the axes of the weight come before those of the nodes
        n, m, k = (len(axes) for axes in (of_x.shared, of_x.own, of_w.own))
        order = (*range(n), *range(n + m, n + m + k), *range(n, n + m))
        made = made.transpose(order)
    out = op.outputs[0]
    return Nodes(made.reshape(out.shape), out.batch, awaits_bias=True)


def _with_weight(t: Tracer, op: Op, x: Nodes, w: Any, of_x: _Side, of_w: _Side) -> Ids | None:
    """Return the product as ids of shape (*shared, *own of the nodes, *own of the weight)."""
    ids = x.ids.transpose(*of_x.shared, *of_x.own, *of_x.summed)
    lead = tuple(x.ids.shape[axis] for axis in of_x.shared)
    own = tuple(x.ids.shape[axis] for axis in of_x.own)
    out = tuple(w.shape[axis] for axis in of_w.own)
    if isinstance(w, np.ndarray) and not lead and len(of_x.summed) == 1 and len(out) == 1:
        spread = _interpolation(t, op, x, w, of_x, of_w)
        if spread is not None:
            return spread
    weight = whole(as_weight(w, t.constant), [*of_w.summed, *of_w.own])
    if x.batch in of_x.summed:
        return None
    at = None if x.batch not in of_x.own else len(lead) + of_x.own.index(x.batch)
    if at is None and x.batch is not None:  # the samples share no weight, or have one alone
        if weight.recipe.shape[of_w.shared[of_x.shared.index(x.batch)]] != 1:
            return None
    n_in, n_out = prod(ids.shape[len(lead) + len(own) :]), prod(out)
    made = np.empty((*lead, *own, n_out), np.int64)
    kinds = [weight.recipe.shape[axis] for axis in of_w.shared]
    for index in np.ndindex(*kinds):
        matrix = _matrix(weight.recipe, of_w, index).reshape((n_out, n_in))
        where = tuple(slice(k, k + 1) if n > 1 else slice(None)
                      for k, n in zip(index, kinds, strict=True))  # fmt: skip
        part = ids[where].reshape(*ids[where].shape[: len(lead) + len(own)], n_in)
        made[where] = _linear(t, op, part, at, len(lead), matrix)
    return made.reshape(*lead, *own, *out)


def _linear(t: Tracer, op: Op, ids: Ids, batch: int | None, n_shared: int, matrix: Recipe) -> Ids:
    """Apply a matrix to the last axis; axes of length one that choose the weight are dropped."""
    shape = ids.shape[:-1]
    dropped = {axis for axis in range(n_shared) if ids.shape[axis] == 1} | {batch}
    kept = tuple(n for axis, n in enumerate(ids.shape) if axis not in dropped)
    name = name_of(matrix) or t.label(op)
    made = t.builder.linear(name, ids.reshape(kept), matrix, None)
    return made.reshape(*shape, matrix.shape[0])


def _matrix(recipe: Recipe, side: _Side, index: tuple[int, ...]) -> Recipe:
    """Return the weight for one entry of the shared axes, its own axes before those summed."""
    for axis, k in zip(side.shared, index, strict=True):
        recipe = recipe.take(axis, k, k + 1) if recipe.shape[axis] > 1 else recipe
    return recipe.transpose((*side.shared, *side.own, *side.summed))


def _interpolation(
    t: Tracer, op: Op, x: Nodes, w: np.ndarray[Any, Any], of_x: _Side, of_w: _Side
) -> Ids | None:
    """Return a product with a computed matrix of non-negative numbers: it resizes an axis."""
    matrix = w.transpose(*of_w.summed, *of_w.own).astype(np.float64)
    if not np.isfinite(matrix).all() or matrix.min(initial=0.0) < 0 or x.batch in of_x.summed:
        return None
    operator = AxisOperator.of_matrix(matrix)
    axis = of_x.summed[0] - (x.batch is not None and x.batch < of_x.summed[0])
    made = resize_axis(t, t.label(op), x, axis, operator)
    if made is None:
        return None
    return np.moveaxis(made, axis, -1).reshape(*(x.ids.shape[a] for a in of_x.own), matrix.shape[1])


def _nodes_with_nodes(
    t: Tracer, op: Op, left: Nodes, right: Nodes, sides: tuple[_Side, _Side]
) -> Any:
    """Return a product of nodes with nodes: attention, or what goes into it."""
    of_left, of_right = sides
    if left.batch in of_left.summed or right.batch in of_right.summed:
        return "it mixes the samples of a batch"
    turned = _is_soft(t, right) and not _is_soft(t, left)
    (a, of_a), (b, of_b) = [(left, of_left), (right, of_right)][:: -1 if turned else 1]
    heads = _heads_of_its_own(t, a, of_a)
    rows = [axis for axis in of_a.own if axis not in heads]
    lead = [a.shape[axis] for axis in (*of_a.shared, *heads)]
    made = t.builder.matmul(
        t.label(op),
        _matrices(a, lead, (*of_a.shared, *heads), rows, of_a.summed),
        _matrices(b, lead, of_b.shared, of_b.summed, of_b.own),
    )
    columns = [b.shape[axis] for axis in of_b.own]
    ids = made.reshape(*lead, *(a.shape[axis] for axis in rows), *columns)
    n, places = len(of_a.shared), (*heads, *rows)
    ours = [n + places.index(axis) for axis in of_a.own]
    theirs = list(range(n + len(places), ids.ndim))
    order = [*range(n), *(theirs + ours if turned else ours + theirs)]
    return Nodes(ids.transpose(order), op.outputs[0].batch)


def _is_soft(t: Tracer, x: Nodes) -> bool:
    """Whether nodes have passed a softmax."""
    layers = t.builder.layers_of(View.of(x.ids))
    return all("softmax" in t.builder.activations.get(layer.name, ()) for layer in layers)


def _heads_of_its_own(t: Tracer, x: Nodes, side: _Side) -> tuple[int, ...]:
    """Return the axes of a factor that are heads, though the other factor has them once."""
    of_channels = channel_axes(x.ids, t.builder.layers)
    heads = tuple(axis for axis in side.own if axis in of_channels)
    return heads if len(heads) < len([axis for axis in side.own if axis != x.batch]) else ()


def _matrices(
    x: Nodes, lead: Sequence[int], heads: Sequence[int], rows: Sequence[int], columns: Sequence[int]
) -> Ids:
    """Return ids as matrices, one for each head; the last heads may be the same for all."""
    moved = x.ids.transpose(*heads, *rows, *columns)
    n, m = (prod(x.shape[axis] for axis in part) for part in (rows, columns))
    once = [x.shape[axis] for axis in heads] + [1] * (len(lead) - len(heads))
    wide = np.broadcast_to(moved.reshape(*once, n, m), (*lead, n, m))
    return wide.reshape(prod(lead), n, m)


def _embedding(t: Tracer, op: Op, tokens: Nodes, w: Any, of_w: _Side, *, swapped: bool) -> Nodes:
    """Return a product of one-hot vectors with a table: rows of the table."""
    table = whole(as_weight(w, t.constant), range(len(w.shape))).recipe
    table = table.transpose((*of_w.summed, *of_w.own))
    features = table.shape[1:]
    matrix = table.reshape((table.shape[0], prod(features)))
    name = name_of(matrix) or t.label(op)
    made = t.builder.embed(name, tokens.sample, matrix)
    if tokens.batch is not None:
        made = np.expand_dims(made, tokens.batch)
    made = made.reshape(*tokens.shape, *features)
    if swapped:
        made = np.moveaxis(made, range(tokens.ids.ndim, made.ndim), range(len(features)))
    return Nodes(made.reshape(op.outputs[0].shape), op.outputs[0].batch)
