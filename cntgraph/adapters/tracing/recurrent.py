"""Recurrent layers: cells whose weights are cut up, in stacks and directions.

An adapter says in which order its framework stacks the weights of gates, and what the initial
states are; the graph of a cell is in `builder.recurrent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, Kind, run_cell
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons, is_learned, weights_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: The parts of each kind in the order of `builder.recurrent`: the hidden state; input gate, forget
#: gate, candidate (g) and output gate; reset gate, update gate (z) and candidate (n).
PARTS: dict[Kind, str] = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}


def cut_gates(
    kind: Kind, order: str, w: Recipe, u: Recipe, b: Recipe | None, c: Recipe | None,
    *, reset_after: bool = True,
) -> list[Gate]:  # fmt: skip
    """Return gates whose weights are stacked along the first axis.

    Parameters
    ----------
    kind : {"rnn", "lstm", "gru"}
    order : str
        The letters of `PARTS` in the order in which a framework stacks them.
    w, u : Recipe
        Weights from the input and from the hidden state.
    b, c : Recipe or None
        The biases of the two.
    reset_after : bool, default True
        Whether a GRU's reset gate applies to the hidden part of its candidate with the bias of
        that part, which is then kept apart.

    Returns
    -------
    list of Gate
        In the order of `PARTS`.
    """
    gates = []
    for part in PARTS[kind]:
        k, n = order.index(part), len(order)
        of_input, of_hidden = (None if bias is None else piece(bias, k, n) for bias in (b, c))
        if of_input is not None and of_hidden is not None and (part != "n" or not reset_after):
            of_input, of_hidden = of_input + of_hidden, None
        gates.append(Gate(piece(w, k, n), piece(u, k, n), of_input, of_hidden))
    return gates


def piece(recipe: Recipe, k: int, n: int) -> Recipe:
    """Return the k-th of n equal pieces along the first axis."""
    size = recipe.shape[0] // n
    return recipe.take(0, k * size, (k + 1) * size)


def initial_state(t: Tracer, name: str, value: Any) -> Ids | None:
    """Return the nodes of an initial state; None where it is zero.

    Parameters
    ----------
    value : Neurons, weights, constant or None
        The state of one cell and one sample.

    Returns
    -------
    ndarray of int64, shape (n_units,), or None
        A state that is stored has nodes of its own, whose bias it is.
    """
    if value is None:
        return None
    if isinstance(value, Neurons):
        ids = t.sample(value).reshape(-1)
        return ids if (ids >= 0).any() else None
    recipe, array = weights_of(value), t.array(value)
    if recipe is not None and not is_learned(recipe):
        array = recipe.read()
    if array is not None and not array.any():
        t.skip([value], "an initial state of zeros")
        return None
    recipe = (t.recipe(value) if recipe is None else recipe).reshape((-1,))
    return t.builder.learned(f"{name}.initial", recipe)


def run_stack(
    builder: Builder, ids: Ids, layers: Sequence[Sequence[Cell]]
) -> tuple[list[Ids], list[list[Ids]]]:
    """Run layers over a sequence, each over what all directions of the one before yield.

    Parameters
    ----------
    ids : ndarray of int64, shape (T, n_in) or (T, S, n_in)
        S is the number of sequences side by side.
    layers : sequence of sequence of Cell
        The directions of each layer.

    Returns
    -------
    sequences : list of ndarray of int64, shape (T, n_hidden) or (T, S, n_hidden)
        Of each direction of the last layer.
    states : list of list of ndarray of int64
        Of every cell, as `run_cell` returns them.
    """
    sequences, states = [ids], []
    for cells in layers:
        joined = np.concatenate(sequences, axis=-1)
        found = [run_cell(builder, joined, cell) for cell in cells]
        sequences = [sequence for sequence, _ in found]
        states += [last for _, last in found]
    return sequences, states
