"""Recognizing the cell of a recurrent layer in the body of a loop.

The body is followed once (`body`). Numbers that stand for its affine functions then tell how it
makes the new states, however it is written. With f, i, o, r, z sigmoids of affine functions of
input x and state h, ⊙ left out, a new state is that of

* a simple cell: h' = φ(affine),
* an LSTM: c' = f c + i g, h' = o φ(c'), g = φ(affine),
* a GRU: h' = n − z n + z h, n = φ(W x + b + r (U h + b')) or φ(W x + b + U (r h)).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product, takewhile
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import Cell, Gate, Kind
from cntgraph.adapters.jax.body import (
    Source,
    Step,
    Sum,
    Vector,
    evaluate,
    follow,
    n_entries,
)
from cntgraph.adapters.jax.functions import values_of
from cntgraph.adapters.jax.program import Program
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Unknown, has_nodes, name_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Values

#: What the gates of a cell, and its candidate and output, may be functions by.
_GATES = ("sigmoid", "hardsigmoid")
_FUNCTIONS = ("tanh", "relu", "sigmoid", "hardsigmoid", "softsign")
#: How many numbers stand for a vector.
_N_NUMBERS = 16
#: The input stands for nothing: only sums with weights read it.
_NOT_READ = np.full(_N_NUMBERS, np.nan)


def recognize_cell(
    t: JaxTracer,
    program: Program,
    constants: Sequence[Any],
    carry: Sequence[Any],
    steps: Sequence[Any],
) -> tuple[Cell, tuple[int, ...]] | None:
    """Return the cell that the body of a loop computes, or None if it is no standard one.

    Parameters
    ----------
    program : Program
        The body: constants, states and one entry of each sequence to states and outputs.
    constants, carry, steps : sequence of value
        What goes into the loop.

    Returns
    -------
    cell : Cell
    states : tuple of int
        Which of the loop's states are its hidden state and an LSTM's cell.
    """
    n, m, read = len(constants), len(carry), [k for k, v in enumerate(steps) if has_nodes(v)]
    if len(read) != 1 or m not in (1, 2) or any(has_nodes(value) for value in constants):
        return None
    old = [Source(n_entries(t, var)) for var in program.inputs[n : n + m]]
    of_step: list[Any] = [Unknown("not read by the cell", value.shape[1:]) for value in steps]
    of_step[read[0]] = Source(n_entries(t, program.inputs[n + m + read[0]]))
    found = follow(t, program, [*constants, *old, *of_step]) or []
    for states in permutations(range(m)) if found else ():
        new = [found[k] for k in states]
        cell = _Numbers(of_step[read[0]], [old[k] for k in states], new).cell()
        if cell is not None and all(value is new[0] for value in found[m:]):
            return replace(cell, name=_name(cell)), states
    return None


class _Numbers:
    """A step of a loop on numbers that stand for its input, its states and its affine functions.

    Parameters
    ----------
    input : Source
    states : sequence of Source
        The states that it reads, the hidden state first.
    new : sequence of vector
        Those that it hands on.
    """

    def __init__(self, input: Source, states: Sequence[Source], new: Sequence[Vector]) -> None:
        self.input, self.states = input, states
        rng = np.random.default_rng(0)
        self.known: dict[Source | Sum, Values]
        self.known = defaultdict(lambda: rng.normal(size=_N_NUMBERS), {input: _NOT_READ})
        self.new = [np.asarray(evaluate(v, self.known)) for v in new]
        self.sums = [v for v in self.known if isinstance(v, Sum)]
        self.of = {(name, v): values_of(name, self.known[v])
                   for name in (*_GATES, *_FUNCTIONS) for v in self.sums}  # fmt: skip

    def cell(self) -> Cell | None:
        """Return the cell that makes the new states of the old ones."""
        kinds = {(1, 1): self._simple, (2, 4): self._lstm, (1, 3): self._gru, (1, 4): self._gru}
        found = kinds.get((len(self.states), len(self.sums)))
        return None if found is None else found()

    def _is(self, k: int, values: Values) -> bool:
        """Whether a new state is what a formula says."""
        return self.new[k].shape == values.shape and np.allclose(self.new[k], values)

    def _simple(self) -> Cell | None:
        (of,) = self.sums
        name = next((f for f in _FUNCTIONS if self._is(0, self.of[f, of])), None)
        gates = [self._gate(of, self.states[0])]
        return None if name is None else _cell("rnn", gates, (name,))

    def _lstm(self) -> Cell | None:
        """Of c' = f c + i g and h' = o φ(c')."""
        for (i, f, g, o), gate, phi in product(permutations(self.sums), _GATES, _FUNCTIONS):
            before = self.of[gate, f] * self.known[self.states[1]]
            content = before + self.of[gate, i] * self.of[phi, g]
            for psi in _FUNCTIONS if self._is(1, content) else ():
                if self._is(0, self.of[gate, o] * values_of(psi, content)):
                    gates = [self._gate(v, self.states[0]) for v in (i, f, g, o)]
                    return _cell("lstm", gates, (gate, phi, psi))
        return None

    def _gru(self) -> Cell | None:
        """Of h' = n − z n + z h."""
        (state,) = self.states
        of_gates = [v for v in self.sums if set(v.matrices) == {self.input, state}]
        rest = [v for v in self.sums if v not in of_gates]
        of_input = [v for v in rest if self.input in v.matrices]
        if len(of_gates) != 2 or len(of_input) != 1:
            return None
        (candidate,), h = of_input, self.known[state]
        hidden = next((v for v in rest if v is not candidate), None)
        for (r, z), sign, gate, phi in product(
            permutations(of_gates), (1.0, -1.0), _GATES, _FUNCTIONS
        ):
            reset, update = self.of[gate, r], values_of(gate, sign * self.known[z])
            inner = self.known[candidate] + (0.0 if hidden is None else reset * self.known[hidden])
            if not self._is(0, (1.0 - update) * values_of(phi, inner) + update * h):
                continue
            gates = [self._gate(r, state), self._gate(z.times(sign), state),
                     self._candidate(candidate, hidden, reset * h)]  # fmt: skip
            return _cell("gru", gates, (gate, phi), reset_after=hidden is not None)
        return None

    def _candidate(self, of: Sum, hidden: Sum | None, reset: Values) -> Gate | None:
        """Return the weights of a candidate, whose hidden part is reset after or before them."""
        (source,) = hidden.matrices if hidden is not None and len(hidden.matrices) == 1 else (None,)
        if hidden is not None and source is self.states[0] and set(of.matrices) == {self.input}:
            return Gate(of.matrices[self.input], hidden.matrices[source], _bias(of), _bias(hidden))
        others = [v for v in of.matrices if v is not self.input]
        if hidden is None and len(others) == 1:
            if np.allclose(evaluate(others[0], self.known), reset):
                return self._gate(of, others[0])
        return None

    def _gate(self, of: Sum, hidden: Source | Step) -> Gate | None:
        """Return an affine function of the input and a state as a gate."""
        if set(of.matrices) != {self.input, hidden} or of.rest:
            return None
        return Gate(of.matrices[self.input], of.matrices[hidden], _bias(of))


def _cell(
    kind: Kind, gates: Sequence[Gate | None], functions: tuple[str, ...], **options: Any
) -> Cell | None:
    """Return a cell, or None if one of its gates is none."""
    found = tuple(gate for gate in gates if gate is not None)
    return Cell(kind, "", found, functions, **options) if len(found) == len(gates) else None


def _bias(of: Sum) -> Recipe | None:
    if not of.number:
        return of.bias
    number = Recipe.constant(np.full(of.size, of.number))
    return number if of.bias is None else of.bias + number


def _name(cell: Cell) -> str:
    """Return the name that the modules of a cell's weights have in common."""
    names = [name_of(r).split(".") for gate in cell.gates for r in (gate.input, gate.hidden)]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False))
    return ".".join(first for first, *_ in shared)
