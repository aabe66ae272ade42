"""Loops and branches: recurrent layers, steps that are known beforehand, constant choices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import run_cell
from cntgraph.adapters.jax.cells import LoopCell, recognise_cell
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op, Program, Var, flatten
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Nodes, Value, Weight, has_nodes, scalar_of
from cntgraph.adapters.jax.weights import whole
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.recurrent import initial_state
from cntgraph.core.errors import InputShapeError
from cntgraph.core.types import Ids

#: A loop of more steps than this, whose end is known, is cut all the same.
_MOST_STEPS = 512


@handles("cond")
def branch(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Follow the branch that a constant chooses."""
    chosen = scalar_of(args[0])
    if chosen is None:
        return "it chooses what is computed by what depends on the data"
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
        return "it is a loop that ends by what depends on the data"
    for _ in range(_MOST_STEPS):
        (again,) = t.run(test, [*of_test, *carry])
        if not scalar_of(again):
            return carry
        carry = t.run(body, [*of_body, *carry])
    return f"it is a loop of more than {_MOST_STEPS} steps"


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
    cell = recognise_cell(t, program, constants, carry, steps)
    if cell is not None:
        return _recurrent(t, op, cell, carry, steps)
    of_weights = any(isinstance(value, Weight) for value in steps)
    in_time = any(has_nodes(value) for value in steps) and not of_weights and length != 1
    if in_time and t.builder.unroll is None:
        return "only standard recurrent cells can be loops; pass unroll=the number of time steps"
    if in_time and t.builder.unroll != length:
        raise InputShapeError(
            f"expected an input of unroll={t.builder.unroll} time steps, got one of {length}"
        )
    if length > _MOST_STEPS:
        return f"it is a loop of more than {_MOST_STEPS} steps"
    return _step_by_step(t, op, program, args)


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
    t: JaxTracer, op: Op, cell: LoopCell, carry: list[Any], steps: list[Any]
) -> list[Any]:
    """Return what a recurrent layer yields: last states, and states of all steps."""
    x = t.nodes(steps[cell.input])
    samples = t.samples(x)
    if samples.axis == 0:
        raise MixedSamplesError
    ids = samples.first(x.ids).reshape(len(x.ids), -1)
    backwards = _runs_backwards(ids)
    reverse = bool(op.params["reverse"]) != backwards
    ids = ids[::-1] if backwards else ids
    name = cell.name or t.label(op)
    initial = [_initial(t, name, carry[k]) for k in cell.states]
    cell = replace(cell, name=name, reverse=reverse, initial=initial)
    sequence, last = run_cell(t.builder, ids, cell)
    ends = dict(zip(cell.states, last, strict=True))
    sequence = sequence[::-1] if backwards else sequence
    outputs = op.outputs
    finals = [t.batched(ends[k], out.shape) for k, out in enumerate(outputs[: len(carry)])]
    rows = [np.stack([t.batched(state, out.shape[1:]) for state in sequence])
            for out in outputs[len(carry) :]]  # fmt: skip
    return [Nodes(ids) for ids in (*finals, *rows)]


def _runs_backwards(ids: Ids) -> bool:
    """Whether a sequence was turned round before it is read."""
    return len(ids) > 1 and bool((ids[0] > ids[-1]).all()) and bool((ids >= 0).all())


def _initial(t: JaxTracer, name: str, value: Any) -> Ids | None:
    """Return the nodes of an initial state; of one that is zero none."""
    if has_nodes(value):
        return initial_state(t, name, t.nodes(value))
    if isinstance(value, Weight):  # the same for all samples, along the first axis
        value = whole(value, range(len(value.shape) > 1, len(value.shape))).recipe
    elif isinstance(value, np.ndarray):
        value = value.reshape(-1, value.shape[-1])[0]
    return initial_state(t, name, value)
