"""Recurrent layers: Keras' cells as gates of the canonical loop, in every wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import Gate, gru, lstm, rnn
from cntgraph.adapters.keras.handlers import handles_layer, is_of_keras
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import (
    Arguments,
    Nodes,
    activation_label,
    as_array,
    is_constant,
    leaves,
)
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids


@handles_layer("RNN", "SimpleRNN", "LSTM", "GRU")
def recurrent_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return the sequence or its last entry, and the states if they are wanted."""
    return run_layer(t, t.name(), layer, a["sequences"], a["initial_state"])


@handles_layer("ConvLSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def convolutional(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Refuse a convolutional recurrent layer."""
    raise NotFollowed("convolutional recurrent layers have no canonical graph yet")


@handles_layer("Bidirectional")
def bidirectional(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Run two layers, one of them backwards in time, and join what they yield."""
    x, initial = a["sequences"], a["initial_state"]
    forward, backward = layer.forward_layer, layer.backward_layer
    given = [None, None] if initial is None else [
        initial[: len(initial) // 2], initial[len(initial) // 2 :]]  # fmt: skip
    made = [
        run_layer(t, f"{t.name()}.{part}", one, x, states)
        for part, one, states in zip(("l0", "l0_reverse"), (forward, backward), given, strict=True)
    ]
    states = [part[1:] if layer.return_state else () for part in made]
    y, back = (part[0] if layer.return_state else part for part in made)
    if layer.return_sequences:
        back = Nodes(back.ids[:, ::-1])
    joined = _joined(layer.merge_mode, y, back)
    if not layer.return_state:
        return joined
    first = joined if isinstance(joined, tuple) else (joined,)
    return (*first, *states[0], *states[1])


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
    t : KerasTracer
        What the network is built with.
    name : str
        Name of the layer.
    layer : keras.layers.RNN
    x : Nodes
        Shape (1, T, n_in).
    initial : nested Nodes or None
        Initial states, as Keras nests them.

    Returns
    -------
    Nodes, or a tuple of Nodes and states
    """
    if not hasattr(layer, "cell") or x.ids.ndim != 3 or len(x.ids) != 1:
        raise NotFollowed("a recurrent layer of an unknown kind, or on several sequences at once")
    stacked = type(layer.cell).__name__ == "StackedRNNCells"
    cells = layer.cell.cells if stacked else [layer.cell]
    given = _states_of(initial, cells)
    sequence, states = t.sample(x).reshape(x.shape[1:]), []
    for k, cell in enumerate(cells):
        label = f"{name}.l{k}" if stacked else name
        sequence, last = _run_cell(t, label, cell, sequence, layer.go_backwards, given[k])
        states.append(last)
    # Keras hands the steps over in the order in which it computes them.
    shown = sequence[::-1] if layer.go_backwards else sequence
    output = shown if layer.return_sequences else shown[-1]
    made = Nodes(np.ascontiguousarray(output)[None])
    if not layer.return_state:
        return made
    if stacked:
        return (made, *([Nodes(ids[None]) for ids in last] for last in states))
    return (made, *(Nodes(ids[None]) for ids in states[0]))


def _states_of(initial: Any, cells: Sequence[Any]) -> list[list[Ids | None]]:
    """Return the nodes of the initial states of each cell; zeros have none."""
    counts = [len(c.state_size) if isinstance(c.state_size, list | tuple) else 1 for c in cells]
    flat = list(leaves(initial)) if initial is not None else []
    if not flat:
        return [[None] * n for n in counts]
    found, states = iter(flat), []
    for n in counts:
        states.append([_state(next(found)) for _ in range(n)])
    return states


def _state(value: Any) -> Ids | None:
    if isinstance(value, Nodes):
        ids: Ids = value.ids.reshape(-1)
        return ids
    if is_constant(value) and not as_array(value).any():
        return None
    raise NotFollowed("an initial state that is a constant other than zero")


def _run_cell(
    t: KerasTracer, name: str, cell: Any, ids: Ids, reverse: bool, initial: list[Ids | None]
) -> tuple[Ids, list[Ids]]:
    """Run one cell over a sequence; return what it yields at each step, and its last states."""
    kind = next((k for k in type(cell).__mro__ if k.__name__ in _CELLS and is_of_keras(k)), None)
    if kind is None or ("call" in vars(type(cell)) and type(cell) is not kind):
        raise NotFollowed(f"the recurrent cell {type(cell).__name__} is not a known one")
    return _CELLS[kind.__name__](t, name, cell, ids, reverse, initial)


def _simple(
    t: KerasTracer, name: str, cell: Any, ids: Ids, reverse: bool, initial: list[Ids | None]
) -> tuple[Ids, list[Ids]]:
    (gate,) = _gates(t, cell, 1)
    label = activation_label(cell.activation)
    options: dict[str, Any] = {"reverse": reverse, "initial": initial[0]}
    sequence, last = rnn(t.builder, name, ids, gate, activation=label, **options)
    return sequence, [last]


def _lstm(
    t: KerasTracer, name: str, cell: Any, ids: Ids, reverse: bool, initial: list[Ids | None]
) -> tuple[Ids, list[Ids]]:
    of_gate, own = activation_label(cell.recurrent_activation), activation_label(cell.activation)
    sequence, last, last_cell = lstm(
        t.builder, name, ids, _gates(t, cell, 4), reverse=reverse, initial=initial[0],
        initial_cell=initial[1], activations=(of_gate, own, own),
    )  # fmt: skip
    return sequence, [last, last_cell]


def _gru(
    t: KerasTracer, name: str, cell: Any, ids: Ids, reverse: bool, initial: list[Ids | None]
) -> tuple[Ids, list[Ids]]:
    update, reset, candidate = _gates(t, cell, 3)
    labels = activation_label(cell.recurrent_activation), activation_label(cell.activation)
    sequence, last = gru(
        t.builder, name, ids, (reset, update, candidate), reset_after=bool(cell.reset_after),
        reverse=reverse, initial=initial[0], activations=labels,
    )  # fmt: skip
    return sequence, [last]


_CELLS = {"SimpleRNNCell": _simple, "LSTMCell": _lstm, "GRUCell": _gru}


def _gates(t: KerasTracer, cell: Any, n: int) -> list[Gate]:
    """Cut Keras' weights, which lie side by side, into those of the gates."""
    units = cell.units
    kernels = cell.kernel.recipe, cell.recurrent_kernel.recipe
    biases = _biases(t.optional_recipe(cell.bias))
    gates = []
    for k in range(n):
        part = (k * units, (k + 1) * units)
        w, u = (kernel.take(1, *part).transpose((1, 0)) for kernel in kernels)
        own = [None if b is None else b.take(0, *part) for b in biases]
        after = n == 3 and k == 2 and own[1] is not None
        both = own[0] if own[1] is None or after else own[0] + own[1]  # type: ignore[operator]
        gates.append(Gate(w, u, both, own[1] if after else None))
    return gates


def _biases(bias: Recipe | None) -> list[Recipe | None]:
    """Return the bias of the input's part and that of the hidden part, if it has its own."""
    if bias is None or len(bias.shape) == 1:
        return [bias, None]
    return [bias.take(0, k, k + 1).reshape((-1,)) for k in range(2)]
