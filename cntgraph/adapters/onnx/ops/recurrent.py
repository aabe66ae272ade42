"""RNN, GRU and LSTM: one operation a layer, in one direction or both.

ONNX stores the weights of all gates in one tensor, in an order of its own: input, output, forget,
candidate for an LSTM; update, reset, candidate for a GRU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import Gate, gru, lstm, rnn
from cntgraph.adapters.onnx.names import name_of, snake
from cntgraph.adapters.onnx.ops.elementwise import ACTIVATIONS
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import Diagonal

_DEFAULTS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}


@dataclass(frozen=True)
class _Direction:
    """One direction of a recurrent operation."""

    t: OnnxTracer
    call: Call
    k: int
    name: str
    reverse: bool
    activations: tuple[str, ...]

    def _weight(self, k: int) -> Recipe:
        recipe = self.t.recipe(self.call.input(k))
        return recipe.take(0, self.k, self.k + 1).reshape(recipe.shape[1:])

    def part(self, k: int) -> Recipe | None:
        """Return this direction's part of an input that has all directions first, if any."""
        value = self.call.input(k)
        nothing = value is None or (isinstance(value, np.ndarray) and not value.any())
        return None if nothing else self._weight(k)

    def gates(self, order: Sequence[int], apart: Sequence[int] = ()) -> list[Gate]:
        """Return the gates in another order; biases of the hidden side are apart for some."""
        weight, hidden = (self._weight(k) for k in (1, 2))
        bias, n = self.part(3), len(order)
        made = []
        for k in order:
            into, before = _piece(weight, k, n), _piece(hidden, k, n)
            if bias is None:
                made.append(Gate(into, before))
                continue
            both = _piece(bias, k, 2 * n), _piece(bias, n + k, 2 * n)
            joined = both if k in apart else (both[0] + both[1], None)
            made.append(Gate(into, before, *joined))
        return made

    def state(self, k: int, samples: Samples, layout: int) -> Ids | None:
        """Return the nodes of an initial state; None where it is zero."""
        value = self.call.input(k)
        if value is None:
            return None
        if isinstance(value, Nodes):
            ids: Ids = self.t.without_batch(value, 0 if layout else 1)[0][self.k]
        else:
            recipe = self.t.recipe(value).take(1 if layout else 0, self.k, self.k + 1)
            recipe = recipe.take(0 if layout else 1, 0, 1).reshape((-1,))
            ids = self.t.as_ids(recipe, f"{self.name}.initial", "an initial state of zeros")
        return ids if (ids >= 0).any() else None


def _piece(recipe: Recipe, k: int, n: int) -> Recipe:
    """Return the k-th of n equal pieces along the first axis."""
    size = recipe.shape[0] // n
    return recipe.take(0, k * size, (k + 1) * size)


@handles("RNN", "GRU", "LSTM")
def recurrent(t: OnnxTracer, call: Call) -> Any:
    """Return the sequence, the last state, and the last cell of a recurrent layer."""
    x, layout = call.inputs[0], int(call.get("layout", 0))
    if not isinstance(x, Nodes) or any(isinstance(v, Nodes) for v in call.inputs[1:4]):
        return None
    _refuse(call)
    ids, samples = t.without_batch(x, 0 if layout else 1)
    n_steps = _length(call, len(ids))
    states = [5, 6] if call.operation == "LSTM" else [5]
    found = []
    for direction in _directions(t, call):
        initial = [direction.state(k, samples, layout) if call.input(k) is not None else None
                   for k in states]  # fmt: skip
        found.append(_run(direction, ids[:n_steps], initial))
    sequences, *last = zip(*found, strict=True)
    sequence = np.stack(sequences, 1)
    if n_steps < len(ids):
        beyond = np.full((len(ids) - n_steps, *sequence.shape[1:]), -1, np.int64)
        sequence = np.concatenate([sequence, beyond])
    # (T, directions, H): the batch comes third, or first.
    made = [Nodes(samples.spread(sequence, 0 if layout else 2))]
    return made + [Nodes(samples.spread(np.stack(ids), 0 if layout else 1)) for ids in last]


def _refuse(call: Call) -> None:
    if call.get("input_forget", 0):
        raise NotFollowed("its forget gate is the input gate's complement")
    kind = call.operation
    size = call.get("hidden_size")
    if (
        size is not None
        and int(size) * {"RNN": 1, "GRU": 3, "LSTM": 4}[kind] != np.shape(call.inputs[1])[1]
    ):
        raise ValueError(f"a hidden size of {size} for weights of shape {np.shape(call.inputs[1])}")


def _length(call: Call, n_steps: int) -> int:
    """Return how many time steps are computed."""
    lengths = call.input(4)
    if lengths is None or isinstance(lengths, Nodes | Data):
        return n_steps  # a length that depends on the input hides nothing
    longest = int(np.max(concrete(lengths), initial=0))
    return min(max(longest, 0), n_steps)


def _directions(t: OnnxTracer, call: Call) -> list[_Direction]:
    kind, direction = call.operation, str(call.get("direction", "forward"))
    reverse = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(direction)
    if reverse is None or len(reverse) != np.shape(call.inputs[1])[0]:
        raise ValueError(f"direction {direction!r} for weights of shape {np.shape(call.inputs[1])}")
    n = len(_DEFAULTS[kind])
    given = [
        ACTIVATIONS.get(str(f), snake(str(f)))
        for f in call.get("activations") or _DEFAULTS[kind] * len(reverse)
    ]
    if len(given) != n * len(reverse):
        raise ValueError(f"activations {given} for {len(reverse)} directions of {kind}")
    weight = t.recipe(call.inputs[1])
    made = []
    for k, backward in enumerate(reverse):
        name = _name(weight.take(0, k, k + 1), call.name, backward)
        functions = tuple(given[k * n : (k + 1) * n])
        made.append(_Direction(t, call, k, name, backward, functions))
    return made


def _name(weight: Recipe, default: str, backward: bool) -> str:
    """Name a direction as PyTorch does, from ``lstm.weight_ih_l0_reverse``."""
    for parameter in weight.parameters():
        found = re.fullmatch(r"(?:(.+)\.)?weight_ih_(l\d+)(_reverse)?", parameter.name)
        if found:
            suffix = "_reverse" if backward else ""
            return f"{found[1]}.{found[2]}{suffix}" if found[1] else f"{found[2]}{suffix}"
    name = name_of(weight, default)
    return f"{name}_reverse" if backward else name


def _run(d: _Direction, ids: Ids, initial: Sequence[Ids | None]) -> tuple[Ids, ...]:
    """Add one direction; return its sequence, its last state, and for an LSTM its last cell."""
    common: dict[str, Any] = {"reverse": d.reverse, "initial": initial[0]}
    b, kind = d.t.builder, d.call.operation
    if kind == "RNN":
        (gate,) = d.gates([0])
        return rnn(b, d.name, ids, gate, activation=d.activations[0], **common)
    if kind == "GRU":
        after = bool(d.call.get("linear_before_reset", 0))
        gates = d.gates([1, 0, 2], apart=[2] if after else [])
        return gru(b, d.name, ids, gates, reset_after=after, activations=d.activations, **common)
    n_layers = len(b.layers)
    made = lstm(b, d.name, ids, d.gates([0, 2, 3, 1]), initial_cell=initial[1],
                activations=d.activations, **common)  # fmt: skip
    _peepholes(d, n_layers, initial[1])
    return made


def _peepholes(d: _Direction, n_layers: int, initial_cell: Ids | None) -> None:
    """Let the cell lead to the gates: of the step before, and of the same step to the output."""
    weight = d.part(7)
    if weight is None:
        return
    b = d.t.builder
    nodes = {
        layer.name.removeprefix(f"{d.name}."): np.arange(
            layer.start, layer.slice.stop).reshape(layer.shape[0], -1)
        for layer in b.layers[n_layers:]
    }  # fmt: skip
    cell = nodes["cell"]
    before, after = _shifted(cell, d.reverse, loop=b.unroll is None)
    for k, gate in enumerate(("input_gate", "output_gate", "forget_gate")):
        recipe = _piece(weight, k, 3)
        now = gate == "output_gate"
        source, target = (cell, nodes[gate]) if now else (cell[:, before], nodes[gate][:, after])
        _diagonal(d, f"{d.name}.{gate}.cell", source, target, recipe)
        if initial_cell is not None and not now:
            first = nodes[gate][:, -1:] if d.reverse else nodes[gate][:, :1]
            _diagonal(d, f"{d.name}.{gate}.initial_cell", initial_cell[:, None], first, recipe)


def _shifted(cell: Ids, reverse: bool, *, loop: bool) -> tuple[slice, slice]:
    """Return the steps before, and those that follow them."""
    if loop:
        return slice(None), slice(None)
    return (slice(1, None), slice(None, -1)) if reverse else (slice(None, -1), slice(1, None))


def _diagonal(d: _Direction, name: str, source: Ids, target: Ids, weight: Recipe) -> None:
    b = d.t.builder
    if not source.size:
        b.skip(weight, "leads from the step before; there is one time step only")
        return
    b.add_block(
        Diagonal(name=b.unique(name), source=View.of(source), target=View.of(target),
                 weight=weight.reshape((-1, 1)))
    )  # fmt: skip
