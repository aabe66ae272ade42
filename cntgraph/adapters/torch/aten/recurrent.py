"""Recurrent layers and cells."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cntgraph.adapters.builder.recurrent import Cell, Kind, run_cell
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, leaves
from cntgraph.adapters.tracing import movement
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.recurrent import cut_gates, initial_state, run_stack
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import moved
from cntgraph.core.types import Ids

#: The kind of each operation's cells, and the order in which PyTorch stacks the gates' weights.
_ORDERS: dict[str, tuple[Kind, str]] = {
    "lstm": ("lstm", "ifgo"), "gru": ("gru", "rzn"), "rnn_tanh": ("rnn", "h"),
    "rnn_relu": ("rnn", "h"),
}  # fmt: skip


def _recurrent(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    """Return the sequence and the last states of stacked layers, one direction or both."""
    is_packed = "batch_sizes" in a
    x = a["data" if is_packed else "input"]
    if not isinstance(x, Nodes) or not all(isinstance(p, Recipe) for p in a["params"]):
        return None
    axis = 0 if a.get("batch_first") else 1
    side_by_side = len(x.shape) == 3 and t.n_samples <= 1 < x.shape[axis]
    if side_by_side:
        ids, samples = _of_one_sample(t, a, x, axis), Samples()
    elif len(x.shape) == 2:
        samples = replace(t.samples(x), axis=None, places=None)
        ids = samples.first(x.ids)
    else:
        ids, samples = t.without_batch(x, axis)
    layers = _layers(t, a, t.name_of(a["params"][0], name), kind)
    sequences, states = run_stack(t.builder, ids, layers)
    sequence = np.concatenate(sequences, axis=-1)
    sequence = np.moveaxis(sequence, 1, axis) if side_by_side else sequence
    last = [np.stack(of_cells) for of_cells in zip(*states, strict=True)]
    of_states = None if samples.axis is None else 1
    if is_packed:
        last = [states[:, None] for states in last]
    made = (t.neurons(samples.spread(state, of_states)) for state in last)
    return [t.made(sequence, samples), *made]


def _of_one_sample(t: AtenTracer, a: Arguments, x: Nodes, axis: int) -> Ids:
    """Return several sequences of one sample, which lie where others have a batch: steps first."""
    initial = [t.array(value) for value in leaves([a["hx"]])]
    if any(value is None or value.any() for value in initial):
        raise NotFollowed("several sequences of one sample that start in states of their own")
    return np.moveaxis(x.ids, axis, 1)


def _layers(t: AtenTracer, a: Arguments, name: str, kind: str) -> list[list[Cell]]:
    """Return the cells of each layer of one call, whose weights are one long list."""
    directions = 2 if a["bidirectional"] else 1
    n_cells = int(a["num_layers"]) * directions
    each, rest = divmod(len(a["params"]), max(n_cells, 1))
    if n_cells < 1 or rest or not each:
        raise TraceError(
            f"{name}: expected weights for {n_cells} cells, got {len(a['params'])} tensors"
        )
    cells = []
    for k in range(n_cells):
        layer, backward = divmod(k, directions)
        suffix = f".l{layer}{'_reverse' if backward else ''}" if n_cells > 1 else ""
        w, u, *others = a["params"][k * each : (k + 1) * each]
        b, c = others[:2] if a["has_biases"] else (None, None)
        projection = next(iter(others[2 if a["has_biases"] else 0 :]), None)
        initial = _states(t, a["hx"], name + suffix, k)
        options = {"projection": projection, "reverse": bool(backward), "initial": initial}
        cells.append(_cell(kind, name + suffix, w, u, b, c, **options))
    return [cells[k : k + directions] for k in range(0, n_cells, directions)]


def _cell(kind: str, name: str, *weights: Any, **options: Any) -> Cell:
    of_kind, order = _ORDERS[kind]
    functions = ("relu",) if kind == "rnn_relu" else ()
    return Cell(of_kind, name, cut_gates(of_kind, order, *weights), functions, **options)


def _step(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    """Return the states after one step, whose layers are of that step alone."""
    x, w, u = (a[key] for key in ("input", "w_ih", "w_hh"))
    if not isinstance(x, Nodes) or not isinstance(w, Recipe) or not isinstance(u, Recipe):
        return None
    samples, name = t.samples(x), t.name_of(w, name)
    ids = samples.first(x.ids)
    if ids.ndim > 1:
        return None  # a step of several sequences of one sample: by products and gates
    step = t.count(name)
    name = f"{name}.{step}" if step else name
    initial = _states(t, a["hx"], name)
    cell = _cell(kind, name, w, u, a.get("b_ih"), a.get("b_hh"), initial=initial)
    with t.builder.one_step():
        _, made = run_cell(t.builder, ids[None], cell)
    found = [t.made(state, samples) for state in made]
    return found if kind == "lstm" else found[0]


# -- sequences of several lengths -----------------------------------------------------------------


@handles("pack_padded_sequence")
def pack(t: AtenTracer, a: Arguments, name: str) -> list[Any]:
    """Return the steps of one sequence without those behind its length."""
    x = a["input"]
    if x.shape[0 if a["batch_first"] else 1] != 1:
        raise NotFollowed("several packed sequences; call the model with one of them")
    steps = x.ids.reshape(-1, *x.shape[2:])[: t.shapes[0][0]]
    return [t.neurons(steps), None]


@handles("pad_packed_sequence")
def unpack(t: AtenTracer, a: Arguments, name: str) -> list[Any]:
    """Return the steps of one sequence, and what fills it up behind them."""
    x, shape = a["data"], t.shapes[0]
    n_steps = shape[1 if a["batch_first"] else 0]
    widths = [(0, n_steps - x.shape[0]), *[(0, 0)] * (len(x.shape) - 1)]
    padded = movement.pad(t, x, widths, float(a["padding_value"]), name)
    return [t.neurons(padded.ids.reshape(shape)), None]


# -- states and batches --------------------------------------------------------------------------


def _states(t: AtenTracer, hx: Any, name: str, k: int | None = None) -> list[Ids | None]:
    """Return the initial states of the k-th cell, or of the only one."""
    states = hx if isinstance(hx, list | tuple) else [hx]
    return [initial_state(t, name, _part(state, k)) for state in states]


def _part(state: Any, k: int | None) -> Any:
    """Return what is of one cell and one sample, of a state of shape (cells, batch, units)."""
    if isinstance(state, Nodes):
        return state if k is None else Nodes(state.tensor[k])
    if state is None:
        return None
    places = (k or 0, 0)[: len(state.shape) - 1]
    return moved(state, lambda x: x[places]) if isinstance(state, Recipe) else state[places]


for _kind in _ORDERS:
    handles(_kind)(partial(_recurrent, kind=_kind))
    handles(f"{_kind}_cell")(partial(_step, kind=_kind))
