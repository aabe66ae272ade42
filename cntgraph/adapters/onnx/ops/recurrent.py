"""RNN, GRU and LSTM: one operation per layer, in one direction or both.

ONNX stores the weights of all gates in one tensor, in an order of its own: input, output, forget,
candidate for an LSTM; update, reset, candidate for a GRU.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import FUNCTIONS, Cell, Kind
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.recurrent import cut_gates, initial_state, piece, run_stack
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.network.activations import activation_name

#: The kind of each operation, and the order in which ONNX stacks the gates' weights.
_ORDERS: dict[str, tuple[Kind, str]] = {
    "RNN": ("rnn", "h"), "GRU": ("gru", "zrn"), "LSTM": ("lstm", "iofg"),
}  # fmt: skip


@handles("RNN", "GRU", "LSTM")
def recurrent(t: OnnxTracer, call: Call) -> Any:
    """Return the sequence, the last state, and the last cell of a recurrent layer."""
    x, layout = call.neurons, int(call.get("layout", 0))
    if any(isinstance(v, Nodes) for v in call.inputs[1:4]):
        return None
    _refuse(call)
    ids, samples = t.without_batch(x, 0 if layout else 1)
    n_steps = _length(call, len(ids))
    sequences, states = run_stack(t.builder, ids[:n_steps], [_directions(t, call, layout)])
    sequence = np.stack(sequences, 1)
    if n_steps < len(ids):
        beyond = np.full((len(ids) - n_steps, *sequence.shape[1:]), -1, np.int64)
        sequence = np.concatenate([sequence, beyond])
    # (T, directions, H): the batch comes third, or first.
    made = [Nodes(samples.spread(sequence, 0 if layout else 2))]
    last = [np.stack(of_cells) for of_cells in zip(*states, strict=True)]
    return made + [Nodes(samples.spread(ids, 0 if layout else 1)) for ids in last]


def _refuse(call: Call) -> None:
    if call.get("input_forget", 0):
        raise NotFollowed("its forget gate is the input gate's complement")
    size, shape = call.get("hidden_size"), np.shape(call.inputs[1])
    if size is not None and int(size) * len(_ORDERS[call.operation][1]) != shape[1]:
        raise ValueError(f"a hidden size of {size} for weights of shape {shape}")


def _length(call: Call, n_steps: int) -> int:
    """Return how many time steps are computed."""
    lengths = call.input(4)
    if lengths is None or isinstance(lengths, Nodes | Data):
        return n_steps  # a length that depends on the input hides nothing
    longest = int(np.max(concrete(lengths), initial=0))
    return min(max(longest, 0), n_steps)


def _directions(t: OnnxTracer, call: Call, layout: int) -> list[Cell]:
    """Return a cell for each direction."""
    direction, shape = str(call.get("direction", "forward")), np.shape(call.inputs[1])
    reverse = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(direction)
    if reverse is None or len(reverse) != shape[0]:
        raise ValueError(f"direction {direction!r} for weights of shape {shape}")
    functions = FUNCTIONS[_ORDERS[call.operation][0]]
    given = [activation_name(str(f)) for f in call.get("activations") or functions * len(reverse)]
    n = len(functions)
    if len(given) != n * len(reverse):
        raise ValueError(f"activations {given} for {len(reverse)} directions of {call.operation}")
    return [
        _cell(t, call, layout, k, given[k * n : (k + 1) * n], backward)
        for k, backward in enumerate(reverse)
    ]


def _cell(
    t: OnnxTracer, call: Call, layout: int, k: int, activations: list[str], backward: bool
) -> Cell:
    """Return the cell of one direction, whose weights are the k-th of each input."""
    kind, order = _ORDERS[call.operation]
    w, u, bias = (_part(t, call.input(at), k) for at in (1, 2, 3))
    assert w is not None
    assert u is not None
    name = _name(t, w, call.name, backward)
    b, c = (None, None) if bias is None else (piece(bias, at, 2) for at in (0, 1))
    after = bool(call.get("linear_before_reset", 0))
    peepholes = _part(t, call.input(7), k)
    states = (5, 6) if kind == "lstm" else (5,)
    return Cell(
        kind, name, cut_gates(kind, order, w, u, b, c, reset_after=after), activations, after,
        peepholes=() if peepholes is None else [piece(peepholes, at, 3) for at in (0, 2, 1)],
        reverse=backward,
        initial=[initial_state(t, name, _state(t, call.input(at), k, layout)) for at in states],
    )  # fmt: skip


def _part(t: OnnxTracer, value: Any, k: int) -> Recipe | None:
    """Return one direction's part of weights that have all directions first, if there are any."""
    recipe = t.vector(value)
    return None if recipe is None else recipe.take(0, k, k + 1).reshape(recipe.shape[1:])


def _state(t: OnnxTracer, value: Any, k: int, layout: int) -> Any:
    """Return one direction's part of a state, of one sample."""
    if isinstance(value, Nodes):
        return Nodes(t.without_batch(value, 0 if layout else 1)[0][k])
    if isinstance(value, Recipe):
        return value.take(1 if layout else 0, k, k + 1).take(0 if layout else 1, 0, 1)
    if isinstance(value, np.ndarray):
        return value[0, k] if layout else value[k, 0]
    return value


def _name(t: OnnxTracer, weight: Recipe, default: str, backward: bool) -> str:
    """Name a direction as PyTorch does, from ``lstm.weight_ih_l0_reverse``."""
    for parameter in weight.parameters():
        found = re.fullmatch(r"(?:(.+)\.)?weight_ih_(l\d+)(_reverse)?", parameter.name)
        if found:
            suffix = "_reverse" if backward else ""
            return f"{found[1]}.{found[2]}{suffix}" if found[1] else f"{found[2]}{suffix}"
    name = t.name_of(weight, default)
    return f"{name}_reverse" if backward else name
