"""Loops and branches: recurrent layers, steps that are known beforehand, constant choices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.builder.recurrent import Cell, run_cell
from cntgraph.adapters.jax.cells import recognize_cell
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op, Program, Var, flatten
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import (
    Nodes,
    Unknown,
    Value,
    Weight,
    has_nodes,
    is_choice,
    scalar_of,
)
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.recurrent import initial_state
from cntgraph.core.errors import InputShapeError
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Identity

#: A loop of more steps than this, whose end is known, is cut all the same.
_MOST_STEPS = 512


@handles("cond")
def branch(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Follow the branch that a constant chooses."""
    chosen = scalar_of(args[0])
    if chosen is None:
        raise NotFollowed("it chooses what is computed by what depends on the data")
    branches = op.params["branches"]
    k = min(max(int(chosen), 0), len(branches) - 1)
    return t.run(flatten(branches[k]), args[1:])


@handles("while")
def repeat(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Follow a loop whose end depends on constants alone."""
    n, m = op.params["cond_nconsts"], op.params["body_nconsts"]
    of_test, of_body, carry = args[:n], args[n : n + m], list(args[n + m :])
    test, body = (flatten(op.params[key]) for key in ("cond_jaxpr", "body_jaxpr"))
    if _reads_nodes(test, [*of_test, *carry]):
        raise NotFollowed("it is a loop that ends by what depends on the data")
    for _ in range(_MOST_STEPS):
        (again,) = t.run(test, [*of_test, *carry])
        if not scalar_of(again):
            return carry
        carry = t.run(body, [*of_body, *carry])
    raise NotFollowed(f"it is a loop of more than {_MOST_STEPS} steps")


def _reads_nodes(program: Program, inputs: list[Value]) -> bool:
    """Whether what a program yields depends on nodes."""
    depends = {var for var, value in zip(program.inputs, inputs, strict=True)
               if not isinstance(value, np.ndarray | np.generic)}  # fmt: skip
    for op in program.ops:
        if depends.intersection(op.inputs):
            depends.update(op.outputs)
    return not depends.isdisjoint(program.outputs)


@handles("scan")
def scan(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Follow a loop over the first axis of its inputs: a recurrent layer, or steps one by one."""
    p = op.params
    n, m, length = p["num_consts"], p["num_carry"], p["length"]
    constants, carry, steps = args[:n], args[n : n + m], args[n + m :]
    program = flatten(p["jaxpr"])
    found = recognize_cell(t, program, constants, carry, steps)
    if found is not None:
        return _recurrent(t, op, *found, carry, steps)
    of_weights = any(isinstance(value, Weight) for value in steps)
    in_time = any(has_nodes(value) for value in steps) and not of_weights and length != 1
    states = _states(program, n, m) if in_time else []
    if states and t.builder.unroll is None:
        return _in_loop(t, op, program, args, states)
    if states and t.builder.unroll != length:
        raise InputShapeError(
            f"expected an input of unroll={t.builder.unroll} time steps, got one of {length}"
        )
    if length > _MOST_STEPS:
        raise NotFollowed(f"it is a loop of more than {_MOST_STEPS} steps")
    return _step_by_step(t, op, program, args)


# -- as a loop ------------------------------------------------------------------------------------


def _states(program: Program, n: int, m: int) -> list[int]:
    """Return which of the values that are carried on from step to step are numbers that change."""
    carried = enumerate(zip(program.inputs[n : n + m], program.outputs[:m], strict=True))
    return [k for k, (var, new) in carried
            if new is not var and jax.dtypes.issubdtype(var.dtype, np.inexact)]  # fmt: skip


def _in_loop(
    t: JaxTracer, op: Op, program: Program, args: list[Any], states: list[int]
) -> list[Any]:
    """Follow the body of a loop once: the nodes of all its steps are one.

    What it reads of the step before, and of each step of a sequence, are nodes of kind
    ``"state"``, which `simplify.states` takes away when it is known what leads to them.
    """
    p, name = op.params, t.label(op)
    n, m, length = p["num_consts"], p["num_carry"], p["length"]
    if any(map(is_choice, args[n + m :])):
        raise NotFollowed("it is a loop that reads tokens; pass unroll=the number of time steps")
    t.builder.has_loops = True
    inputs = args[:n] + [
        _state(t, name, value.shape, _initial(t, name, value)) if k in states
        else value if var is program.outputs[k]
        else Unknown("it differs from step to step", var.shape)
        for k, (var, value) in enumerate(zip(program.inputs[n:], args[n : n + m], strict=False))
    ]  # fmt: skip
    of_step = [_each_step(t, name, value) for value in args[n + m :]]
    results: list[Any] = t.run(program, inputs + of_step)
    for k in states:
        new = t.nodes(results[k]) if has_nodes(results[k]) else results[k]
        results[k] = Nodes(t.as_ids(new, name))
        _lead(t, name, results[k], inputs[n + k])
    rows = zip(results[m:], op.outputs[m:], strict=True)
    return results[:m] + [_stacked(t, [value] * length, out) for value, out in rows]


def _each_step(t: JaxTracer, name: str, value: Any) -> Any:
    """Return what every step of a loop reads of a sequence along the first axis."""
    if has_nodes(value):
        x = t.nodes(value)
        if t.samples(x).axis == 0:
            raise MixedSamplesError
        once = (x.ids == x.ids[:1]).all()
        return Nodes(x.ids[0]) if once else _state(t, name, x.shape[1:], x)
    if isinstance(value, np.ndarray) and (value == value[:1]).all():
        return value[0]
    return Unknown("it differs from step to step", value.shape[1:])


def _state(t: JaxTracer, name: str, shape: tuple[int, ...], source: Nodes | None) -> Nodes:
    """Return nodes that stand for what a step reads, features last, and lead to them."""
    sizes = list(shape)
    if t.n_samples in sizes:
        sizes.remove(t.n_samples)
    *positions, n_features = sizes or [1]
    made = t.builder.add_layer(f"{name}.state", (n_features, *positions), "state")
    state = Nodes(t.batched(np.moveaxis(made, 0, -1), shape))
    if source is not None:
        _lead(t, name, source, state)
    return state


def _lead(t: JaxTracer, name: str, source: Nodes, to: Nodes) -> None:
    """Lead to the nodes of a state from one node each, or from one of every step."""
    (nodes, state), _ = t.together([source, to])
    t.builder.connect(Identity, t.builder.unique(name), nodes, state)


# -- step by step ---------------------------------------------------------------------------------


def _step_by_step(t: JaxTracer, op: Op, program: Program, args: list[Any]) -> list[Any]:
    """Carry out a loop by its steps, one after another."""
    p = op.params
    n, m, length = p["num_consts"], p["num_carry"], p["length"]
    constants, carry, steps = args[:n], list(args[n : n + m]), args[n + m :]
    inputs = [
        _unstacked(t, value, var) for value, var in zip(steps, op.inputs[n + m :], strict=True)
    ]
    yielded: list[list[Any]] = [[] for _ in op.outputs[m:]]
    order = range(length)[::-1] if p["reverse"] else range(length)
    for k in order:
        results = t.run(program, [*constants, *carry, *(rows[k] for rows in inputs)])
        carry = results[:m]
        for rows, value in zip(yielded, results[m:], strict=True):
            rows.append(value)
    ends = [rows[::-1] if p["reverse"] else rows for rows in yielded]
    return carry + [_stacked(t, rows, out) for rows, out in zip(ends, op.outputs[m:], strict=True)]


def _unstacked(t: JaxTracer, value: Any, var: Var) -> list[Any]:
    """Return what each step reads, along the first axis."""
    rows = tuple(Var(var.shape[1:], var.dtype) for _ in range(var.shape[0]))
    return t.call(Op("unstack", {"axis": 0}, (var,), rows, None), [value])


def _stacked(t: JaxTracer, rows: list[Any], out: Var) -> Any:
    """Return what all steps yield, one after another on the first axis."""
    if not rows:
        return np.zeros(out.shape)
    inputs = tuple(Var(out.shape[1:], out.dtype) for _ in rows)
    return t.call(Op("stack", {"axis": 0}, inputs, (out,), None), rows)[0]


def _recurrent(
    t: JaxTracer, op: Op, cell: Cell, states: tuple[int, ...], carry: list[Any], steps: list[Any]
) -> list[Any]:
    """Return what a recurrent layer yields: last states, and states of all steps."""
    x = t.nodes(next(value for value in steps if has_nodes(value)))
    samples = t.samples(x)
    if samples.axis == 0:
        raise MixedSamplesError
    ids = samples.first(x.ids).reshape(len(x.ids), -1)
    backwards = _runs_backwards(ids)
    reverse = bool(op.params["reverse"]) != backwards
    ids = ids[::-1] if backwards else ids
    name = cell.name or t.label(op)
    found = [_initial(t, name, carry[k]) for k in states]
    initial = [None if before is None else t.sample(before) for before in found]
    cell = replace(cell, name=name, reverse=reverse, initial=initial)
    sequence, last = run_cell(t.builder, ids, cell)
    ends = dict(zip(states, last, strict=True))
    sequence = sequence[::-1] if backwards else sequence
    outputs = op.outputs
    finals = [t.batched(ends[k], out.shape) for k, out in enumerate(outputs[: len(carry)])]
    rows = [np.stack([t.batched(state, out.shape[1:]) for state in sequence])
            for out in outputs[len(carry) :]]  # fmt: skip
    return [Nodes(ids) for ids in (*finals, *rows)]


def _runs_backwards(ids: Ids) -> bool:
    """Whether a sequence was turned round before it is read."""
    return len(ids) > 1 and bool((ids[0] > ids[-1]).all()) and bool((ids >= 0).all())


def _initial(t: JaxTracer, name: str, value: Any) -> Nodes | None:
    """Return the nodes of an initial state; of one that is zero none."""
    shape = value.shape
    axis = shape.index(t.n_samples) if t.n_samples in shape else None
    if isinstance(value, np.ndarray) and value.any():
        value = as_weight(value if axis is None else value.take([0], axis), t.constant)
    if isinstance(value, Weight):  # the same for all samples
        value = whole(value, [k for k in range(len(shape)) if k != axis]).recipe
    ids = initial_state(t, name, t.nodes(value) if has_nodes(value) else value)
    return None if ids is None else Nodes(t.batched(ids, shape))
