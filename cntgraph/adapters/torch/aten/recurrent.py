"""Recurrent layers and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch

from cntgraph.adapters.builder.recurrent import Gate, gru, lstm, rnn
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

_PACKED = "a packed sequence; call the model with a padded one"


@handles("pack_padded_sequence")
def pack(t: AtenTracer, a: Arguments, name: str) -> NoReturn:
    """Refuse to pack: the samples of a batch would lie among each other."""
    raise NotFollowed(_PACKED)


def _recurrent(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    """Return the sequence and the last states of stacked layers, one direction or both."""
    x = a.get("input")
    if "batch_sizes" in a:
        raise NotFollowed(_PACKED)
    if not isinstance(x, Nodes) or not all(isinstance(p, Recipe) for p in a["params"]):
        return None
    batch_axis = None if len(x.shape) == 2 else 0 if a["batch_first"] else 1
    ids = _without_batch(t, x, batch_axis)
    if ids is None:
        raise NotFollowed("the second axis is not that of the batch; pass batch_first=True")
    sequence, states = _Stack(t, kind, a, t.name_of(a["params"][0], name)).run(ids)
    if batch_axis is None:
        return [Nodes(_tensor(made)) for made in (sequence, *states)]
    size = x.shape[batch_axis]
    made = [_with_batch(sequence, batch_axis, size)]
    return made + [_with_batch(state, 1, size) for state in states]


class _Stack:
    """The layers of one call of a recurrent operation."""

    def __init__(self, t: AtenTracer, kind: str, a: Arguments, name: str) -> None:
        self.t, self.kind, self.name = t, kind, name
        self.directions = 2 if a["bidirectional"] else 1
        self.n_layers, self.biased = int(a["num_layers"]), bool(a["has_biases"])
        n_cells = self.n_layers * self.directions
        each, rest = divmod(len(a["params"]), max(n_cells, 1))
        if n_cells < 1 or rest or not each:
            raise TraceError(
                f"{name}: expected weights for {n_cells} cells, got {len(a['params'])} tensors"
            )
        self.cells = [a["params"][k * each : (k + 1) * each] for k in range(n_cells)]
        hx = a["hx"] if isinstance(a["hx"], list | tuple) else [a["hx"]]
        self.initial = [_initial(t, state, n_cells) for state in hx]

    def run(self, ids: Ids) -> tuple[Ids, list[Ids]]:
        """Return the last layer's sequence, shape (T, features), and the states of all layers."""
        lasts: list[list[Ids]] = []
        for layer in range(self.n_layers):
            sequences = []
            for direction in range(self.directions):
                sequence, *last = self._layer(ids, layer, direction)
                sequences.append(sequence)
                lasts.append(last)
            ids = np.concatenate(sequences, axis=-1)
        return ids, [np.stack(states) for states in zip(*lasts, strict=True)]

    def _layer(self, ids: Ids, layer: int, direction: int) -> tuple[Ids, ...]:
        k = layer * self.directions + direction
        weights = self.cells[k]
        suffix = f".l{layer}{'_reverse' if direction else ''}" if len(self.cells) > 1 else ""
        options: dict[str, Any] = {"reverse": bool(direction), "initial": self.initial[0][k]}
        n_biases = 2 if self.biased else 0
        biases = weights[2 : 2 + n_biases] or [None, None]
        label, builder = self.name + suffix, self.t.builder
        if self.kind == "lstm":
            projection = weights[2 + n_biases] if len(weights) > 2 + n_biases else None
            gates = _gates(4, weights[0], weights[1], *biases)
            options["initial_cell"] = self.initial[1][k]
            return lstm(builder, label, ids, gates, projection=projection, **options)
        if self.kind == "gru":
            return gru(builder, label, ids, _gru_gates(weights[0], weights[1], *biases), **options)
        (gate,) = _gates(1, weights[0], weights[1], *biases)
        activation = self.kind.removeprefix("rnn_")
        return rnn(builder, label, ids, gate, activation=activation, **options)


def _gates(
    n: int, w: Recipe, u: Recipe, b: Recipe | None = None, c: Recipe | None = None
) -> list[Gate]:
    """Return the gates whose weights are stacked in PyTorch's order."""
    size = w.shape[0] // n
    parts = [[_part(r, k, size) for r in (w, u, b, c)] for k in range(n)]
    return [Gate(w, u, b if c is None else b + c) for w, u, b, c in parts]


def _gru_gates(w: Recipe, u: Recipe, b: Recipe | None, c: Recipe | None) -> list[Gate]:
    """Return reset gate, update gate and candidate, whose two biases are kept apart."""
    size = w.shape[0] // 3
    w2, u2, b2, c2 = (_part(r, 2, size) for r in (w, u, b, c))
    return [*_gates(3, w, u, b, c)[:2], Gate(w2, u2, b2, c2)]


def _part(recipe: Recipe | None, k: int, size: int) -> Any:
    return None if recipe is None else recipe.take(0, k * size, (k + 1) * size)


# -- cells, one step at a time -------------------------------------------------------------------


def _cell(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    """Return the states after one step, whose layers are of that step alone."""
    x, hx, w, u = (a[key] for key in ("input", "hx", "w_ih", "w_hh"))
    if not isinstance(x, Nodes) or not isinstance(w, Recipe) or not isinstance(u, Recipe):
        return None
    b, c = (a.get(key) for key in ("b_ih", "b_hh"))
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    initial = [_initial(t, state, 1, of_cell=True)[0] for state in states]
    ids, name = t.sample(x).reshape(1, -1), t.name_of(w, name)
    step = t.count(name)
    name = f"{name}.{step}" if step else name
    made: tuple[Ids, ...]
    with _one_step(t):
        if kind == "lstm":
            made = lstm(t.builder, name, ids, _gates(4, w, u, b, c), initial=initial[0],
                        initial_cell=initial[1])[1:]  # fmt: skip
        elif kind == "gru":
            made = gru(t.builder, name, ids, _gru_gates(w, u, b, c), initial=initial[0])[1:]
        else:
            (gate,) = _gates(1, w, u, b, c)
            activation = kind.removeprefix("rnn_")
            made = rnn(t.builder, name, ids, gate, activation=activation, initial=initial[0])[1:]
    found = [t.batched(state, (*x.shape[:-1], len(state))) for state in made]
    return found if kind == "lstm" else found[0]


@contextmanager
def _one_step(t: AtenTracer) -> Iterator[None]:
    """Let the builder see one time step, which the model's own loop goes through."""
    unroll, t.builder.unroll = t.builder.unroll, 1
    try:
        yield
    finally:
        t.builder.unroll = unroll


# -- states and batches --------------------------------------------------------------------------


def _initial(
    t: AtenTracer, state: Any, n_cells: int, *, of_cell: bool = False
) -> Sequence[Ids | None]:
    """Return the nodes of each cell's initial state; None where it is zero."""
    if isinstance(state, Recipe):
        state = t.fixed(state)
    if not isinstance(state, Nodes) or not (state.tensor >= 0).any():
        return [None] * n_cells
    if of_cell:
        return [t.sample(state).reshape(-1)]
    batched = state.tensor if state.tensor.ndim == 2 else state.tensor[:, 0]
    return [ids.numpy() for ids in batched]


def _without_batch(t: AtenTracer, x: Nodes, axis: int | None) -> Ids | None:
    """Return the ids of one sample, shape (T, features); None if that is not what there is."""
    ids = x.tensor
    if axis == 0:
        ids = t.first(ids)[0]
    elif axis == 1:
        ids = ids[:, 0]
        if not torch.equal(x.tensor, ids.unsqueeze(1).expand(x.tensor.shape)):
            return None
    array: Ids = ids.numpy()
    return array


def _with_batch(ids: Ids, axis: int, size: int) -> Nodes:
    """Return the ids of one sample with a batch of that size at an axis."""
    made = _tensor(ids).unsqueeze(axis)
    return Nodes(made.repeat_interleave(size, axis))


def _tensor(ids: Ids) -> torch.Tensor:
    return torch.from_numpy(np.array(ids))


for _kind in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    handles(_kind)(partial(_recurrent, kind=_kind))
    handles(f"{_kind}_cell")(partial(_cell, kind=_kind))
