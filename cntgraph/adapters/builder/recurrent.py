"""Recurrent layers: a loop, or unrolled over time steps.

The nodes are the gates' and the candidate's pre-activations, the cell and the hidden state; the
edges into gates and candidate are learned, all others are structural. With σ a gate:

* RNN: h ← W x + b, U h⁻
* LSTM: i, f, g, o ← W x + b, U h⁻; c ← g (modulated by i), c⁻ (modulated by f); h ← c (by o)
* GRU: r, z ← W x + b, U h⁻; m ← U h⁻ + b'; n ← W x + b, m (by r); h ← n (by z), h⁻

where h⁻ and c⁻ belong to the step before. As a loop, the nodes of all steps are one, so h⁻ is h:
A has edges from the layer to itself. Unrolled over T steps, a layer has shape (units, T), and its
edges run from step t - 1 to step t: a convolution of kernel one between shifted views. Several
sequences that a cell reads side by side (rows of an image) are positions along one more axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cntgraph.core.errors import InputShapeError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Diagonal, Identity, Sparse

if TYPE_CHECKING:
    from cntgraph.adapters.builder.builder import Builder

Kind = Literal["rnn", "lstm", "gru"]

#: The functions of each kind, where nothing else is said.
FUNCTIONS: dict[Kind, tuple[str, ...]] = {
    "rnn": ("tanh",), "lstm": ("sigmoid", "tanh", "tanh"), "gru": ("sigmoid", "tanh"),
}  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """What leads to one gate, or to the candidate, of a recurrent layer.

    Parameters
    ----------
    input : Recipe
        Weights from the input, shape (n_units, n_in).
    hidden : Recipe
        Weights from the hidden state, shape (n_units, n_hidden).
    bias : Recipe or None
        Sum of the framework's biases, shape (n_units,).
    hidden_bias : Recipe or None
        The bias that a GRU adds to the hidden part before the reset gate applies.
    """

    input: Recipe
    hidden: Recipe
    bias: Recipe | None = None
    hidden_bias: Recipe | None = None


@dataclass(frozen=True)
class Cell:
    """A recurrent cell that runs over a sequence in one direction.

    Parameters
    ----------
    kind : {"rnn", "lstm", "gru"}
    name : str
        Name of the layer that it makes.
    gates : sequence of Gate
        Of an LSTM input gate, forget gate, candidate and output gate; of a GRU reset gate, update
        gate and candidate.
    activations : sequence of str, optional
        Of the gates, of the candidate, and of an LSTM's cell on its way out; by default sigmoids
        and hyperbolic tangents.
    reset_after : bool, default True
        Whether a GRU's reset gate applies to the hidden part of the candidate after its weights
        (PyTorch, cuDNN), or to the hidden state before them.
    projection : Recipe, optional
        Shape (n_projected, n_units): an LSTM's hidden state is projected.
    peepholes : sequence of Recipe, optional
        Weights from an LSTM's cell of the step before to its input and forget gate, and from the
        cell of the same step to the output gate; one a unit.
    reverse : bool, default False
        Whether time runs backwards.
    initial : sequence of ndarray of int64 or None
        Nodes of the initial hidden state and of an LSTM's initial cell; None where it is zero.
    """

    kind: Kind
    name: str
    gates: Sequence[Gate]
    activations: Sequence[str] = ()
    reset_after: bool = True
    projection: Recipe | None = None
    peepholes: Sequence[Recipe] = ()
    reverse: bool = False
    initial: Sequence[Ids | None] = (None, None)


def run_cell(builder: Builder, ids: Ids, cell: Cell) -> tuple[Ids, list[Ids]]:
    """Add a recurrent layer.

    Parameters
    ----------
    builder : Builder
        Its `unroll` says whether this is a loop.
    ids : ndarray of int64, shape (T, n_in) or (T, S, n_in)
        What it reads; S is the number of sequences side by side.

    Returns
    -------
    sequence : ndarray of int64, shape (T, n_hidden) or (T, S, n_hidden)
    states : list of ndarray of int64, shape (n_hidden,) or (S, n_hidden)
        The last hidden state, and an LSTM's last cell.
    """
    time, add = _Time(builder, ids, cell.reverse), {"rnn": _rnn, "lstm": _lstm, "gru": _gru}
    states = add[cell.kind](time, cell, cell.activations or FUNCTIONS[cell.kind])
    return time.sequence(states[0]), [time.last(state) for state in states]


def _rnn(time: _Time, cell: Cell, functions: Sequence[str]) -> list[Ids]:
    (gate,), (function,) = cell.gates, functions
    total = time.layer(cell.name, gate.hidden.shape[0])
    hidden = time.activate(total, function)
    time.affine(cell.name, total, gate, hidden, cell.initial[0])
    return [hidden]


def _lstm(time: _Time, cell: Cell, functions: Sequence[str]) -> list[Ids]:
    name, n, projection = cell.name, cell.gates[0].input.shape[0], cell.projection
    of_gate, of_candidate, of_cell = functions
    kinds = {"input_gate": of_gate, "forget_gate": of_gate, "candidate": of_candidate,
             "output_gate": of_gate}  # fmt: skip
    made = {part: time.layer(f"{name}.{part}", n) for part in kinds}
    enter, forget, candidate, leave = (time.activate(made[part], f) for part, f in kinds.items())
    content = time.layer(f"{name}.cell", n, kind="cell")
    inner = name if projection is None else f"{name}.hidden"
    hidden = time.layer(inner, n, kind="hidden")
    output = hidden if projection is None else time.layer(name, projection.shape[0])
    for part, gate in zip(made, cell.gates, strict=True):
        time.affine(f"{name}.{part}", made[part], gate, output, cell.initial[0])
    time.gated(f"{name}.cell", candidate, content, enter)
    time.gated_before(f"{name}.cell", content, content, forget, cell.initial[1])
    time.gated(inner, time.activate(content, of_cell), hidden, leave)
    if projection is not None:
        time.dense(name, hidden, output, projection)
    if cell.peepholes:
        for part, weight in zip(("input_gate", "forget_gate"), cell.peepholes, strict=False):
            time.weighted_before(time.diagonal, f"{name}.{part}.cell", content, made[part], weight,
                                 cell.initial[1])  # fmt: skip
        weight = cell.peepholes[-1]
        time.diagonal(f"{name}.output_gate.cell", content, made["output_gate"], weight)
    return [output, content]


def _gru(time: _Time, cell: Cell, functions: Sequence[str]) -> list[Ids]:
    name, n, initial = cell.name, cell.gates[0].input.shape[0], cell.initial[0]
    of_reset, of_update, of_candidate = cell.gates
    gates = [time.layer(f"{name}.{part}_gate", n) for part in ("reset", "update")]
    reset, update = (time.activate(gate, functions[0]) for gate in gates)
    inner = f"{name}.hidden_candidate" if cell.reset_after else f"{name}.reset_hidden"
    middle = time.layer(inner, n, kind="recurrent" if cell.reset_after else "hidden")
    candidate = time.layer(f"{name}.candidate", n)
    hidden = time.layer(name, n, kind="hidden")
    time.affine(f"{name}.reset_gate", gates[0], of_reset, hidden, initial)
    time.affine(f"{name}.update_gate", gates[1], of_update, hidden, initial)
    label, bias = f"{name}.candidate.input", of_candidate.bias
    time.dense(label, time.ids, candidate, of_candidate.input, bias)
    if cell.reset_after:
        time.weighted_before(time.dense, inner, hidden, middle, of_candidate.hidden, initial)
        time.bias(f"{inner}.bias", middle, of_candidate.hidden_bias)
        time.gated(f"{name}.candidate", middle, candidate, reset)
    else:
        time.gated_before(inner, hidden, middle, reset, initial)
        time.dense(f"{name}.candidate.hidden", middle, candidate, of_candidate.hidden)
    time.gated(name, time.activate(candidate, functions[1]), hidden, update)
    time.gated_before(name, hidden, hidden, None, initial)
    return [hidden]


class _Time:
    """Layers and edges over time steps.

    Ids have shape (units, T), or (units, 1) in a loop, and one more axis for several sequences.
    """

    def __init__(self, builder: Builder, ids: Ids, reverse: bool) -> None:
        self.builder, self.reverse = builder, reverse
        self.n_steps, self.loop = len(ids), builder.unroll is None
        if not self.loop and builder.unroll != self.n_steps:
            raise InputShapeError(
                f"expected a sequence of unroll={builder.unroll} time steps, got "
                f"{self.n_steps}; pass an input of that length"
            )
        if self.loop:
            # The steps of a loop before this one are one step.
            ids = ids[:1] if (ids == ids[:1]).all() else ids
            builder.has_loops |= self.n_steps > 1
        self.ids, self.several = np.moveaxis(ids, -1, 0), ids.shape[1:-1]

    def layer(self, name: str, n: int, kind: str = "recurrent") -> Ids:
        """Add a layer of `n` units at each step."""
        steps = 1 if self.loop else self.n_steps
        shape = (n, *((steps,) if steps > 1 else ()), *self.several)
        return self.builder.add_layer(name, shape, kind).reshape(n, steps, *self.several)

    def activate(self, ids: Ids, function: str) -> Ids:
        """Return the nodes that have the values of a function; the same for the identity."""
        return self.builder.activate(ids, function) if function else ids

    def sequence(self, ids: Ids) -> Ids:
        """Return the ids of a layer at every step, units last."""
        return np.broadcast_to(np.moveaxis(ids, 0, -1), (self.n_steps, *self.several, len(ids)))

    def last(self, ids: Ids) -> Ids:
        """Return the ids of a layer at the step that is computed last, units last."""
        return np.moveaxis(ids[:, 0 if self.reverse else -1], 0, -1)

    # -- edges ------------------------------------------------------------------------------

    def affine(self, name: str, target: Ids, gate: Gate, hidden: Ids, initial: Ids | None) -> None:
        """Lead from the input, and from the hidden state of the step before, to a gate."""
        self.dense(f"{name}.input", self.ids, target, gate.input, gate.bias)
        self.weighted_before(self.dense, f"{name}.hidden", hidden, target, gate.hidden, initial)

    def dense(
        self, name: str, source: Ids, target: Ids, weight: Recipe, bias: Recipe | None = None
    ) -> None:
        """Lead from every unit to every unit of the same step."""
        steps = source.shape[1]
        if steps > 1 and target.shape[1] == 1:
            # Every step of the input feeds the same nodes, whose bias is theirs once.
            self.bias(f"{name}.bias", target, bias)
            target = np.broadcast_to(target, (len(target), steps, *self.several))
            bias = None
        self.builder.connect_features(self.builder.unique(name), source, target, weight, bias)

    def diagonal(self, name: str, source: Ids, target: Ids, weight: Recipe) -> None:
        """Lead from every unit to the same unit."""
        self._connect(Diagonal, name, source, target, weight=self._by_unit(weight))

    def weighted_before(
        self, connect: Callable[[str, Ids, Ids, Recipe], None], name: str, source: Ids,
        target: Ids, weight: Recipe, initial: Ids | None,
    ) -> None:  # fmt: skip
        """Lead from the units of the step before; `connect` is `dense` or `diagonal`."""
        before = list(self._before(source, initial))
        for suffix, nodes, steps in before:
            connect(f"{name}{suffix}", nodes, target[:, steps], weight)
        if not before:
            self.builder.skip(weight, "leads from the step before; there is one time step only")

    def gated(self, name: str, source: Ids, target: Ids, gate: Ids | None) -> None:
        """Hand every unit on to the same unit; a gate modulates it."""
        self._connect(Identity, name, source, target)
        if gate is not None:
            self._connect(Identity, f"{name}.gate", gate, target, modulatory=True)

    def gated_before(
        self, name: str, source: Ids, target: Ids, gate: Ids | None, initial: Ids | None
    ) -> None:
        """Hand every unit of the step before on; the gate is that of the step itself."""
        for suffix, nodes, steps in self._before(source, initial):
            own = None if gate is None else gate[:, steps]
            self.gated(f"{name}{suffix or '.before'}", nodes, target[:, steps], own)

    def bias(self, name: str, target: Ids, bias: Recipe | None) -> None:
        """Give nodes a bias of their own, the same at every step."""
        if bias is not None:
            name, values = self.builder.unique(name), self._by_unit(bias)
            self.builder.blocks.append(Sparse.without_edges(name, View.of(target), values))

    def _by_unit(self, recipe: Recipe) -> Recipe:
        """Return one value per unit as it broadcasts against ids."""
        return recipe.reshape((-1, 1, *(1 for _ in self.several)))

    def _before(self, source: Ids, initial: Ids | None) -> Iterator[tuple[str, Ids, slice]]:
        """Yield nodes of the step before, and the steps that read them.

        The initial state is read by the first step, which none precedes; its edges have a suffix.
        """
        whole = slice(None)
        earlier, later, first = slice(-1), slice(1, None), slice(1)
        if self.loop:
            earlier, later, first = whole, whole, whole
        elif self.reverse:
            earlier, later, first = later, earlier, slice(-1, None)
        if source[:, earlier].size:
            yield "", source[:, earlier], later
        if initial is not None:
            yield ".initial", initial.reshape(-1, 1, *self.several), first

    def _connect(
        self, kind: type[Block], name: str, source: Ids, target: Ids, **fields: Any
    ) -> None:
        self.builder.connect(kind, self.builder.unique(name), source, target, **fields)
