"""Sums, differences, products and quotients: of branches, and with constants or parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.constants import MASKED, NotFollowedError
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Derived, Nodes, is_learned, shape_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Identity

#: Parameters of more values are not looked at to see whether they are a mask.
_LARGEST_MASK = 1 << 22


@handles("Add")
def add(t: OnnxTracer, call: Call) -> Any:
    """Return x + y."""
    return plus(t, call.inputs[0], call.inputs[1], 1.0, call.name)


@handles("Sub")
def subtract(t: OnnxTracer, call: Call) -> Any:
    """Return x - y."""
    return plus(t, call.inputs[0], call.inputs[1], -1.0, call.name)


@handles("Sum")
def total(t: OnnxTracer, call: Call) -> Any:
    """Return the sum of several values."""
    nodes = [value for value in call.inputs if isinstance(value, Nodes)]
    made: Any = nodes[0] if len(nodes) == 1 else add_nodes(t, nodes, None, call.name)
    for value in call.inputs:
        if not isinstance(value, Nodes) and made is not None:
            made = plus(t, made, value, 1.0, call.name)
    return made


@handles("Neg")
def negative(t: OnnxTracer, call: Call) -> Any:
    """Return -x."""
    return t.scale(call.inputs[0], Recipe.constant(-1.0), None, call.name, parametric=False)


def plus(t: OnnxTracer, left: Any, right: Any, sign: float, name: str) -> Any:
    """Return left + sign · right, where at least one is nodes.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    left, right : Nodes, Recipe, Derived or ndarray
        What is added.
    sign : float
        1 or -1.
    name : str
        A name for what it makes.

    Returns
    -------
    Nodes
    """
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return add_nodes(t, [left, right], None if sign == 1.0 else (1.0, sign), name)
    nodes, other = (left, right) if isinstance(left, Nodes) else (right, left)
    if isinstance(other, Derived):
        return _hide_nothing(t, nodes, other, name)
    if isinstance(left, Nodes):
        if sign == 1.0:
            return _shift(t, left, right, name)
        return t.scale(left, None, -t.recipe(right), name)
    if sign == 1.0:
        return _shift(t, right, left, name)
    return t.scale(right, Recipe.constant(sign), t.recipe(left), name, parametric=False)


def add_nodes(
    t: OnnxTracer, nodes: Sequence[Nodes], signs: Sequence[float] | None, name: str
) -> Nodes:
    """Add branches: one layer that receives the edges of all."""
    operands, samples = t.together(nodes)
    return Nodes(samples.spread(t.builder.add(name, operands, signs)))


def _hide_nothing(t: OnnxTracer, nodes: Nodes, other: Derived, name: str) -> Nodes:
    """Leave nodes as they are where a mask of the input is added or multiplied."""
    t.note(name, "a mask that depends on the input: everything is kept")
    wide = np.broadcast_shapes(nodes.shape, other.shape)
    return replace(nodes, ids=np.broadcast_to(nodes.ids, wide))


def _shift(t: OnnxTracer, x: Nodes, other: Any, name: str) -> Nodes:
    """Return x + c; where c is a mask, nodes that it hides are taken away."""
    values = _mask_values(t, other)
    if values is None:
        return t.scale(x, None, t.recipe(other), name)
    wide = np.broadcast_shapes(x.shape, values.shape)
    keep = np.broadcast_to(values > MASKED, wide)
    kept = Nodes(t.builder.mask(np.broadcast_to(x.ids, wide), keep))
    rest = np.where(values > MASKED, values, 0)
    return t.scale(kept, None, t.recipe(rest), name) if rest.any() else kept


def _mask_values(t: OnnxTracer, other: Any) -> Any:
    """Return the values of an additive mask; None for any other constant."""
    if isinstance(other, Recipe):
        stored = other.parameter
        if stored is None or len(other.shape) < 2:
            return None
        if stored.size > _LARGEST_MASK or stored.name in t.declared:
            return None
        values = np.asarray(other.read())
    else:
        values = np.asarray(other)
    hidden = values <= MASKED
    if not hidden.any() or (hidden.all() and np.isfinite(values).all()):
        return None
    if isinstance(other, Recipe) and other.parameter is not None:
        t.builder.parameter(replace(other.parameter, trainable=False))
        t.builder.skip(other, "a mask, whose zeros say which nodes count")
    return values


# -- products -------------------------------------------------------------------------------------


@handles("Mul")
def multiply(t: OnnxTracer, call: Call) -> Any:
    """Return x · y: a scaling, a gate, or a function of the same neurons (as x · σ(x))."""
    left, right = call.inputs[:2]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return multiply_nodes(t, left, right, call.name)
    nodes, factor = (left, right) if isinstance(left, Nodes) else (right, left)
    if isinstance(factor, Derived):
        return _hide_nothing(t, nodes, factor, call.name)
    weight = t.recipe(factor)
    return t.scale(nodes, weight, None, call.name, parametric=is_learned(weight))


def multiply_nodes(
    t: OnnxTracer, left: Nodes, right: Nodes, name: str, *, first: bool = False
) -> Nodes:
    """Multiply branches: one is handed on, with `first` the left one; the other modulates it."""
    (a, b), samples = t.together([left, right])
    if np.array_equal(a, b):
        # A product of two functions of the same neurons is an activation (x · σ(x)).
        t.builder.activate(a, "mul")
        return left if left.shape == np.broadcast_shapes(left.shape, right.shape) else right
    return Nodes(samples.spread(t.builder.multiply(name, [a, b], first=first)))


@handles("Div")
def divide(t: OnnxTracer, call: Call) -> Any:
    """Return x / y; a divisor of nodes only modulates."""
    left, right = call.inputs[:2]
    if isinstance(right, Nodes):
        t.activate(right, "reciprocal")
        if isinstance(left, Nodes):
            return multiply_nodes(t, left, right, call.name, first=True)
        return _scaled_by(t, right, left, call.name)
    if isinstance(right, Derived) or not isinstance(left, Nodes):
        return _hide_nothing(t, left, right, call.name) if isinstance(left, Nodes) else None
    divisor = t.recipe(right)
    weight = Recipe.constant(1.0) / divisor
    return t.scale(left, weight, None, call.name, parametric=is_learned(divisor))


def _scaled_by(t: OnnxTracer, x: Nodes, factor: Any, name: str) -> Any:
    if isinstance(factor, Derived):
        return _hide_nothing(t, x, factor, name)
    if isinstance(factor, np.ndarray) and (factor == 1).all():
        return x
    weight = t.recipe(factor)
    return t.scale(x, weight, None, name, parametric=is_learned(weight))


# -- the largest, the smallest, the mean of several ---------------------------------------------


@handles("Max", "Min")
def extreme(t: OnnxTracer, call: Call) -> Any:
    """Choose the largest or smallest: an edge from each candidate; an activation for a constant."""
    nodes = [value for value in call.inputs if isinstance(value, Nodes)]
    if len(nodes) == len(call.inputs):
        return chosen(t, nodes, call.name, "max") if len(nodes) > 1 else nodes[0]
    if len(nodes) != 1 or any(isinstance(value, Derived) for value in call.inputs):
        raise NotFollowedError("it compares neurons with constants and with each other")
    t.skip(call.inputs, "a bound, not a weight")
    t.activate(nodes[0], "clamp")
    shape = np.broadcast_shapes(*(shape_of(value) for value in call.inputs))
    return Nodes(np.broadcast_to(nodes[0].ids, shape))


@handles("Mean")
def mean(t: OnnxTracer, call: Call) -> Any:
    """Average several values."""
    share = Recipe.constant(1.0 / len(call.inputs))
    return t.scale(total(t, call), share, None, call.name, parametric=False)


def chosen(t: OnnxTracer, nodes: Sequence[Nodes], name: str, kind: str) -> Nodes:
    """Return nodes to which each of the others leads with weight one, as in a maximum pooling.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    nodes : sequence of Nodes
        What is chosen among, value by value.
    name : str
        A name for what it makes.
    kind : str
        ``"max"`` or ``"where"``.

    Returns
    -------
    Nodes
    """
    operands, samples = t.together(nodes)
    if all(np.array_equal(ids, operands[0]) for ids in operands[1:]):
        t.builder.activate(operands[0], kind)
        return nodes[0]
    name = t.builder.unique(name)
    made = t.builder.fresh(name, operands[0], kind)
    for k, ids in enumerate(operands):
        ends = (View.of(ids), View.of(made))
        branch = t.builder.unique(f"{name}.{k}")
        t.builder.add_block(Identity(name=branch, source=ends[0], target=ends[1]))
    return Nodes(samples.spread(made))
