"""Layers of sequences: Keras' cells as gates of the canonical loop, in every wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.builder.recurrent import Cell, Kind
from cntgraph.adapters.keras.handlers import LAYERS, handles_layer, is_of_keras
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, activation_label
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.recurrent import cut_gates, initial_state, run_stack

#: The kind of each cell, and the order in which Keras has the gates' weights.
_ORDERS: dict[str, tuple[Kind, str]] = {
    "SimpleRNNCell": ("rnn", "h"), "LSTMCell": ("lstm", "ifgo"), "GRUCell": ("gru", "zrn"),
}  # fmt: skip


@handles_layer("RNN", "SimpleRNN", "LSTM", "GRU")
def recurrent_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return the sequence or its last entry, and the states if they are wanted."""
    return run_layer(t, t.name(), layer, a["sequences"], a["initial_state"])


LAYERS.refuses(
    "convolutional recurrent layers have no canonical graph yet",
    "ConvLSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
)  # fmt: skip


@handles_layer("Bidirectional")
def bidirectional(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Run two layers, one of them backwards in time, and join what they yield."""
    x, initial = a["sequences"], a["initial_state"]
    forward, backward = layer.forward_layer, layer.backward_layer
    given = [None, None] if initial is None else [
        initial[: len(initial) // 2], initial[len(initial) // 2 :]]  # fmt: skip
    parts = zip(("l0", "l0_reverse"), (forward, backward), given, strict=True)
    made = [run_layer(t, f"{t.name()}.{part}", one, x, states) for part, one, states in parts]
    (y, *states), (back, *more) = made if layer.return_state else zip(made, strict=True)
    if layer.return_sequences:
        back = Nodes(back.ids[:, ::-1])
    joined = _joined(layer.merge_mode, y, back)
    if not layer.return_state:
        return joined
    return (*(joined if isinstance(joined, tuple) else (joined,)), *states, *more)


@handles_layer("TimeDistributed")
def each_step(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Apply a layer to every time step: the steps are its batch."""
    x: Nodes = a["inputs"]
    if len(x.ids) != 1:
        raise NotFollowed("a time-distributed layer within another")
    made = t.call_layer(layer.layer, (Nodes(x.ids[0], x.dtype),), {})
    if not isinstance(made, Nodes):
        raise NotFollowed("a time-distributed layer of several outputs")
    return Nodes(made.ids[None])


def _joined(mode: str | None, left: Nodes, right: Nodes) -> Any:
    if mode is None:
        return left, right
    if mode == "concat":
        return Nodes(np.concatenate([left.ids, right.ids], axis=-1))
    if mode == "mul":
        return left * right
    return left + right if mode == "sum" else (left + right) / 2


def run_layer(t: KerasTracer, name: str, layer: Any, x: Nodes, initial: Any) -> Any:
    """Run a recurrent layer over a sequence.

    Parameters
    ----------
    x : Nodes
        Shape (1, T, n_in).
    initial : nested Nodes or None
        Initial states, as Keras nests them.
    """
    if not hasattr(layer, "cell") or x.ids.ndim != 3 or len(x.ids) != 1:
        raise NotFollowed("a recurrent layer of an unknown kind, or on several sequences at once")
    stacked = type(layer.cell).__name__ == "StackedRNNCells"
    cells = layer.cell.cells if stacked else [layer.cell]
    given = _states_of(initial, cells)
    made_of = [
        [_cell(t, f"{name}.l{k}" if stacked else name, cell, layer.go_backwards, given[k])]
        for k, cell in enumerate(cells)
    ]
    (sequence,), states = run_stack(t.builder, t.sample(x).reshape(x.shape[1:]), made_of)
    # Keras hands the steps over in the order in which it computes them.
    shown = sequence[::-1] if layer.go_backwards else sequence
    output = shown if layer.return_sequences else shown[-1]
    made = Nodes(np.ascontiguousarray(output)[None])
    if not layer.return_state:
        return made
    shown_states = [[Nodes(ids[None]) for ids in last] for last in states]
    return (made, *(shown_states if stacked else shown_states[0]))


def _states_of(initial: Any, cells: Sequence[Any]) -> list[list[Any]]:
    """Return the initial states of each cell."""
    sizes = [len(keras.tree.flatten(cell.state_size)) for cell in cells]
    flat = [] if initial is None else keras.tree.flatten(initial)
    found = iter(flat or [None] * sum(sizes))
    return [[next(found) for _ in range(n)] for n in sizes]


def _cell(t: KerasTracer, name: str, cell: Any, reverse: bool, states: list[Any]) -> Cell:
    """Return one of Keras' cells, whose weights lie side by side on the last axis."""
    known = next((k for k in type(cell).__mro__ if k.__name__ in _ORDERS and is_of_keras(k)), None)
    if known is None or ("call" in vars(type(cell)) and type(cell) is not known):
        raise NotFollowed(f"the recurrent cell {type(cell).__name__} is not a known one")
    kind, order = _ORDERS[known.__name__]
    w, u = (kernel.recipe.transpose((1, 0)) for kernel in (cell.kernel, cell.recurrent_kernel))
    bias, after = t.optional_recipe(cell.bias), bool(getattr(cell, "reset_after", True))
    both = [bias, None] if bias is None or len(bias.shape) == 1 else [
        bias.take(0, k, k + 1).reshape((-1,)) for k in range(2)]  # fmt: skip
    own = activation_label(cell.activation)
    functions = [own]
    if kind != "rnn":
        of_gates = activation_label(cell.recurrent_activation)
        functions = [of_gates, own, own] if kind == "lstm" else [of_gates, own]
    initial = [initial_state(t, name, state) for state in states]
    gates = cut_gates(kind, order, w, u, *both, reset_after=after)
    return Cell(kind, name, gates, functions, after, reverse=reverse, initial=initial)
