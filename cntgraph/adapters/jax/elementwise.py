"""Elementwise operations: scalings and shifts, named functions, sums, products and choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax import weights
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, plain
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.recognition import RECOGNIZED
from cntgraph.adapters.jax.statistics import Meaning
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import (
    Coefficient,
    Nodes,
    Scaled,
    Value,
    has_nodes,
    is_choice,
    scalar_of,
)
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.masks import pass_beside
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data, is_learned
from cntgraph.network.activations import activation_name

#: What two operands become, where neither only scales or shifts the other.
_OF_TWO: dict[str, Callable[..., Any]] = {
    "add": arithmetic.add, "add_any": arithmetic.add, "sub": partial(arithmetic.add, sign=-1.0),
    "mul": arithmetic.multiply, "div": arithmetic.divide,
}  # fmt: skip


@handles(*ELEMENTWISE)
def elementwise(t: JaxTracer, op: Op, args: list[Any]) -> Value:
    """Return an operation on single neurons that has no name as a whole."""
    real = [a for a in args if has_nodes(a) and not is_choice(a)]
    if op.name in LINEAR and len(real) == 1 and not any(map(is_choice, args)):
        if op.name != "div" or real[0] is args[0]:
            return _scaling(t, op, args)
    args = [t.nodes(a) if isinstance(a, Scaled) else a for a in args]
    (out,), name = op.outputs, t.label(op)
    if op.name == "select_n":
        made = _selected(t, op, args)
    elif len(real) == 1 and len(real) < sum(map(has_nodes, args)):
        x = next(a for a in args if has_nodes(a) and not is_choice(a))
        made = pass_beside(t, x, Data(out.shape), name)
    else:
        made = _combined(t, op, [t.nodes(a) if has_nodes(a) else a for a in args], name)
    return Nodes(np.broadcast_to(made.ids, out.shape))


def _scaling(t: JaxTracer, op: Op, args: list[Any]) -> Scaled | Nodes:
    """Return a scaling or a shift of nodes, as one with those before it; a bias is the last."""
    (x,), name = (a for a in args if has_nodes(a)), op.name
    by = next((a for a in args if a is not x), np.asarray(-1.0))
    before = x if isinstance(x, Scaled) else Scaled(t.nodes(x), op)
    gain, shift = before.gain, before.shift
    turned = name == "neg" or (name == "sub" and has_nodes(args[1]))
    if turned or name in ("mul", "div"):
        factor, rule = (np.asarray(-1.0), "mul") if turned else (by, name)
        gain = _compute(t, rule, np.asarray(1.0) if gain is None else gain, factor)
        shift = None if shift is None else _compute(t, rule, shift, factor)
    if name not in ("neg", "mul", "div"):
        rule = "add" if turned else name
        shift = _compute(t, rule, np.asarray(0.0) if shift is None else shift, by)
    made = Scaled(before.core, op, gain, shift)
    return t.affine(made) if is_learned(shift) else made


def _compute(t: JaxTracer, name: str, left: Coefficient, right: Coefficient) -> Coefficient:
    """Return what becomes of two coefficients; what changes nothing is not computed."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return plain(name, left, right)
    nothing = 1.0 if name == "mul" else 0.0
    if name in ("mul", "add", "add_any") and scalar_of(left) == nothing:
        return right
    if name == "sub" and scalar_of(left) == 0.0:
        return weights.arithmetic("neg", [weights.as_weight(right, t.constant)])
    return weights.arithmetic(name, [weights.as_weight(c, t.constant)
                                     for c in (left, right)])  # fmt: skip


def _combined(t: JaxTracer, op: Op, args: list[Any], name: str) -> Any:
    """Return a sum, a product, an extreme or a function of neurons."""
    if op.name in _OF_TWO:
        return _OF_TWO[op.name](t, *args, name=name)
    if op.name in ("max", "min"):
        return arithmetic.extreme(t, args, op.name, name)
    x, *more = (a for a in args if isinstance(a, Nodes))
    if more:
        raise NotFollowed(f"{op.name} of nodes with nodes is no sum or product")
    return activations.activate(t, x, activation_name(op.name), [a for a in args if a is not x])


def _selected(t: JaxTracer, op: Op, args: list[Any]) -> Nodes:
    """Choose by what depends on the data: all that may be chosen leads to the result."""
    which, *cases = args
    choice = Data(which.shape, source="mask" if is_choice(which) else "neurons")
    made: Nodes = arithmetic.select(t, choice, cases, t.label(op))
    return made


# -- functions that have a name ---------------------------------------------------------------


@handles(RECOGNIZED)
def named(t: JaxTracer, op: Op, args: list[Any]) -> Value:
    """Note an activation, a softmax or a normalization."""
    (base, *learned), meaning = args, op.params["meaning"]
    x = t.nodes(base)
    if (batch := t.samples(x).axis) is not None and batch in meaning.mixed:
        raise MixedSamplesError
    x = activations.activate(t, x, _kind(t, x, meaning), learned)
    made = replace(x, may_be_joined=False, is_normed=meaning.name.endswith("_norm"))
    norm = replace(op, name=meaning.name)
    return made if meaning.unit == 1.0 else Scaled(made, norm, np.asarray(meaning.unit))


def _kind(t: JaxTracer, base: Nodes, meaning: Meaning) -> str:
    """Return the kind of a normalization by the axes whose neurons go into one sum."""
    if meaning.name != "layer_norm" or not meaning.mixed:
        return meaning.name
    samples = t.samples(base)
    sample, axes = samples.first(base.ids), samples.axes(meaning.mixed)
    channels = [axis for axis in channel_axes(sample, t.builder.layers) if sample.shape[axis] > 1]
    if set(channels) <= set(axes) and not meaning.grouped:
        return meaning.name
    return "group_norm" if meaning.grouped or set(channels) & set(axes) else "instance_norm"
