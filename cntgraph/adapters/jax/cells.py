"""Recognising the cell of a recurrent layer in the body of a loop.

The body is followed once with symbols for the input and the states. With f, i, o, r, z sigmoids
of affine functions of input x and state h, ⊙ left out, a new state is that of

* a simple cell: h' = φ(affine),
* an LSTM: c' = f c + i g, h' = o φ(c'), g = φ(affine),
* a GRU: h' = n − z n + z h, n = φ(W x + b + r (U h + b')) or φ(W x + b + U (r h)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import Cell, Gate
from cntgraph.adapters.jax.body import Body
from cntgraph.adapters.jax.polynomial import Applied, Bias, Function, Source, Sum, Term
from cntgraph.adapters.jax.program import Program
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import Unknown, has_nodes, name_of
from cntgraph.core.recipe import Recipe


@dataclass(frozen=True)
class LoopCell(Cell):
    """A recurrent cell, and what its input and states are among those of the loop.

    Parameters
    ----------
    input : int
        Which of the sequences that the loop runs over is its input.
    states : tuple of int
        Which of the loop's states are its hidden state and an LSTM's cell.
    """

    input: int = 0
    states: tuple[int, ...] = (0,)


def recognise_cell(
    t: Scaling,
    program: Program,
    constants: Sequence[Any],
    carry: Sequence[Any],
    steps: Sequence[Any],
) -> LoopCell | None:
    """Return the cell that the body of a loop computes, or None if it is no standard one.

    Parameters
    ----------
    program : Program
        The body: constants, states and one entry of each sequence to states and outputs.
    constants, carry, steps : sequence of value
        What goes into the loop.
    """
    read = [k for k, value in enumerate(steps) if has_nodes(value)]
    if len(read) != 1 or any(has_nodes(value) for value in constants):
        return None
    if any(isinstance(value, Unknown) for value in carry) or not carry:
        return None
    inputs = [*constants, *_sources(program, len(constants), len(carry), read[0])]
    found = Body(t).run(program, inputs)
    if found is None:
        return None
    states, yielded = found[: len(carry)], found[len(carry) :]
    cell = _lstm(states) if len(carry) == 2 else _gru(states) or _simple(states)
    if cell is None or any(value.terms != states[cell.states[0]].terms for value in yielded):
        return None
    return replace(cell, input=read[0], name=_name(cell))


def _sources(program: Program, n_constants: int, n_states: int, read: int) -> list[Any]:
    """Return symbols for the states and the input; what else the loop runs over is not known."""
    made: list[Any] = []
    for k, var in enumerate(program.inputs[n_constants:]):
        if k < n_states:
            made.append(Sum.of(prod(var.shape), Source(k, True)))
        elif k - n_states == read:
            made.append(Sum.of(prod(var.shape), Source(0, False)))
        else:
            made.append(Unknown("not read by the cell", var.shape))
    return made


def _gate(of: Sum, state: int) -> Gate | None:
    """Return an affine function of the input and a state as a gate."""
    found: dict[bool, Recipe] = {}
    bias: Recipe | None = None
    for term, factor in of.terms.items():
        if not term:
            addend: Recipe | None = Recipe.constant(np.full(of.size, factor))
        elif len(term) != 1:
            return None
        elif isinstance(term[0], Bias):
            addend = _times(term[0].recipe, factor)
        else:
            addend = None
            source = _source(term[0])
            if source is None or (source.is_state and source.index != state):
                return None
            matrix = _times(term[0].matrix, factor)  # type: ignore[union-attr]
            known = found.get(source.is_state)
            found[source.is_state] = matrix if known is None else known + matrix
        if addend is not None:
            bias = addend if bias is None else bias + addend
    if set(found) != {True, False}:
        return None
    return Gate(found[False], found[True], bias)


def _source(atom: Any) -> Source | None:
    """Return what a matrix is applied to, if that is the input or a state as it is."""
    if isinstance(atom, Applied) and len(atom.term) == 1 and isinstance(atom.term[0], Source):
        return atom.term[0]
    return None


def _times(recipe: Recipe, factor: float) -> Recipe:
    return recipe if factor == 1.0 else recipe * factor


def _simple(states: Sequence[Sum]) -> LoopCell | None:
    ((term, factor), *others) = states[0].terms.items() or [((), 0.0)]
    if others or factor != 1.0 or len(term) != 1 or not isinstance(term[0], Function):
        return None
    gate = _gate(term[0].of, 0)
    return None if gate is None else LoopCell("rnn", "", (gate,), (term[0].name,))


def _lstm(states: Sequence[Sum]) -> LoopCell | None:
    for cell, hidden in ((0, 1), (1, 0)):
        kept = _kept(states[cell], cell)
        out = _output(states[hidden], states[cell])
        if kept is None or out is None:
            continue
        forget, enter, candidate = kept
        output, outer = out
        parts = (enter, forget, candidate, output)
        gates = [_gate(part.of, hidden) for part in parts]
        if (
            any(gate is None for gate in gates)
            or len({p.name for p in (enter, forget, output)}) > 1
        ):
            return None
        names = (enter.name, candidate.name, outer.name)
        found = tuple(g for g in gates if g)
        return LoopCell("lstm", "", found, names, states=(hidden, cell))
    return None


def _kept(new: Sum, cell: int) -> tuple[Function, Function, Function] | None:
    """Return forget gate, input gate and candidate of c' = f c + i g."""
    if len(new.terms) != 2 or any(len(t) != 2 or c != 1.0 for t, c in new.terms.items()):
        return None
    old = [t for t in new.terms if any(isinstance(a, Source) for a in t)]
    entering = [t for t in new.terms if all(isinstance(a, Function) for a in t)]
    if len(old) != 1 or len(entering) != 1:
        return None
    forget = [a for a in old[0] if isinstance(a, Function)]
    state = [a for a in old[0] if isinstance(a, Source) and a.is_state and a.index == cell]
    if len(forget) != 1 or len(state) != 1:
        return None
    # The candidate is the one that is not of the gates' kind.
    first, second = sorted(
        (a for a in entering[0] if isinstance(a, Function)), key=lambda a: a.name != forget[0].name
    )
    return forget[0], first, second


def _output(new: Sum, cell: Sum) -> tuple[Function, Function] | None:
    """Return the output gate, and the function of the cell, of h' = o φ(c')."""
    if len(new.terms) != 1:
        return None
    ((term, factor),) = new.terms.items()
    functions = [a for a in term if isinstance(a, Function)]
    if factor != 1.0 or len(term) != 2 or len(functions) != 2:
        return None
    outer = [a for a in functions if a.of.terms == cell.terms]
    gates = [a for a in functions if a.of.terms != cell.terms]
    return (gates[0], outer[0]) if len(outer) == 1 else None


def _gru(states: Sequence[Sum]) -> LoopCell | None:
    found = _update(states[0])
    if found is None:
        return None
    update, candidate = found
    reset, gate, after = _candidate(candidate.of) or (None, None, True)
    if reset is None or gate is None or reset.name != update.name:
        return None
    gates = (_gate(reset.of, 0), _gate(update.of, 0))
    if gates[0] is None or gates[1] is None:
        return None
    names = (update.name, candidate.name)
    return LoopCell("gru", "", (gates[0], gates[1], gate), names, after)


def _update(new: Sum) -> tuple[Function, Function] | None:
    """Return update gate and candidate of h' = n − z n + z h, or of z n + h − z h."""
    state = next((a for t in new.terms for a in t if isinstance(a, Source) and a.is_state), None)
    gated = [t for t in new.terms if len(t) == 2 and state in t]
    if len(new.terms) != 3 or state is None or len(gated) != 1:
        return None
    (z,) = (a for a in gated[0] if a is not state)
    if not isinstance(z, Function):
        return None
    turned = new.terms[gated[0]] == -1.0
    mixed = [t for t in new.terms if len(t) == 2 and z in t and state not in t]
    candidates = [a for t in mixed for a in t if a is not z and isinstance(a, Function)]
    if len(candidates) != 1:
        return None
    (n,) = candidates
    expected = {gated[0]: 1.0, (n,): 1.0, mixed[0]: -1.0}
    if turned:
        expected = {gated[0]: -1.0, (state,): 1.0, mixed[0]: 1.0}
    if new.terms != expected:
        return None
    if turned and z.name != "sigmoid":
        return None
    # Where the gate lets the candidate in, the gate that keeps the state is 1 − σ(a) = σ(−a).
    return (Function(z.name, z.of.scaled(-1.0)) if turned else z), n


def _candidate(of: Sum) -> tuple[Function, Gate, bool] | None:
    """Return reset gate, weights of the candidate, and whether it resets after the weights."""
    plain: dict[Term, float] = {}
    gated: dict[Term, float] = {}
    reset: Function | None = None
    after = True
    for term, factor in of.terms.items():
        inner = term[0].term if len(term) == 1 and isinstance(term[0], Applied) else ()
        before = [a for a in inner if isinstance(a, Function)]
        gates = before or [a for a in term if isinstance(a, Function)]
        if not gates:
            plain[term] = factor
            continue
        if len(gates) != 1 or (reset is not None and gates[0] is not reset):
            return None
        reset, after = gates[0], not before
        if before:
            rest = tuple(a for a in inner if a is not reset)
            gated[(Applied(term[0].matrix, rest),)] = factor  # type: ignore[union-attr]
        else:
            gated[tuple(a for a in term if a is not reset)] = factor
    gate = _gate(Sum(of.size, {**plain, **{t: c for t, c in gated.items() if not _is_bias(t)}}), 0)
    biases = [_times(t[0].recipe, c) for t, c in gated.items() if _is_bias(t)]  # type: ignore[union-attr]
    if reset is None or gate is None or len(biases) > 1 or any(not t for t in gated):
        return None
    return reset, replace(gate, hidden_bias=biases[0] if biases else None), after


def _is_bias(term: Term) -> bool:
    return len(term) == 1 and isinstance(term[0], Bias)


def _name(cell: LoopCell) -> str:
    """Return the name that the modules of a cell's weights have in common."""
    names = [name_of(r).split(".") for gate in cell.gates for r in (gate.input, gate.hidden)]
    shared = []
    for parts in zip(*names, strict=False):
        if len(set(parts)) != 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
