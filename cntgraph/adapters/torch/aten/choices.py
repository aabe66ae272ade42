"""What the data choose among neurons, and what becomes of what they judge."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY
from cntgraph.adapters.torch.aten.values import Call, Nodes, leaves
from cntgraph.adapters.tracing import reductions
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe


def step(t: Tracer, call: Call) -> Nodes | None:
    """Return what a comparison is as a number, nodes of their own: a spike of a potential."""
    for recipe in (v for v in call.values if isinstance(v, Recipe)):
        t.builder.coefficient(recipe, "step")
    judged = next((v.judged for v in call.values if isinstance(v, Data)), None)
    dtype = call.arguments.get("dtype")
    if judged is None or call.name not in IDENTITY or not (dtype and dtype.is_floating_point):
        return None
    made: Nodes = t.scale(judged, None, None, call.place.name("step"))
    t.activate(made, "step")
    return made


def indices_of(call: Call) -> list[Any]:
    """Return the places that an operation is told."""
    found = leaves(call.arguments.get(key) for key in ("index", "indices"))
    return [value for value in found if value is not None]


def is_of_rows(call: Call) -> bool:
    """Whether the data say which rows of a table are taken: of a codebook, of experts' biases."""
    table, indices = next(iter(call.arguments.values())), indices_of(call)
    of_numbers = isinstance(table, torch.Tensor) and table.is_floating_point()
    rows = (isinstance(table, Recipe) or of_numbers) and len(table.shape) == 2
    return rows and bool(indices) and all(isinstance(value, Data) for value in indices)


def are_chosen(call: Call) -> bool:
    """Whether neurons decide which rows of a constant table are taken, among not too many."""
    if call.name not in ("embedding", "index") or not is_of_rows(call):
        return False
    table, chosen = next(iter(call.arguments.values())), indices_of(call)
    few = all(len(table) * prod(v.shape) <= reductions.MOST_CHOICES for v in chosen)
    return few and any(value.source == "neurons" for value in chosen)


def choose(t: Tracer, call: Call) -> Any:
    """Return neurons of which the data say which they are, out of those along some axes."""
    a, shape, label = call.arguments, call.shapes, call.place.name(call.name)
    x = a.get("self", a.get("weight"))
    if not isinstance(x, Nodes):
        return None
    ids, n_axes = x.tensor, 1
    at = int(a.get("dim") or 0) % ids.ndim
    if call.name in ("gather", "take_along_dim"):
        ids = ids[tuple(slice(None if k == at else n) for k, n in enumerate(shape))]
    elif call.name in ("index", "_unsafe_index"):
        axes = [k for k, index in enumerate(a["indices"]) if index is not None]
        # Truth values take as many axes as they have themselves.
        at, n_axes = axes[0], len(axes)
        wide = len(a["indices"][at].shape)
        if n_axes == 1 and len(shape) != ids.ndim - 1 + wide:
            n_axes = wide
        elif axes != [*range(at, at + n_axes)]:
            ids, at = ids.movedim(axes, [*range(n_axes)]), 0
    ids = ids.flatten(at, at + n_axes - 1)
    rest = prod(n for k, n in enumerate(ids.shape) if k != at)
    made = reductions.chosen(t, Nodes(ids), at, prod(shape) // max(rest, 1), label)
    return Nodes(made.tensor.reshape(shape))
