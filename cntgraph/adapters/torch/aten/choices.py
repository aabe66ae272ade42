"""Choices: masks, conditions, the larger of two."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Derived, Nodes
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Identity

_KEPT = "a mask that depends on the input: nothing is masked"


@handles("masked_fill")
def masked_fill(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Take away the neurons that a constant mask names."""
    x, mask = a["self"], a["mask"]
    if not isinstance(x, Nodes):
        return None
    if isinstance(mask, torch.Tensor):
        return Nodes(x.ids.masked_fill(mask.cpu(), -1))
    if _is_mask(mask):
        t.note(name, _KEPT)
        return x
    if isinstance(mask, Derived):
        t.builder.activate(t.sample(x), "where")
        return x
    return None


@handles("where")
def where(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Choose between nodes, or between nodes and a constant.

    A constant choice moves nodes. Where the choice is data, all that may be chosen leads to the
    result; a choice between functions of the same neurons is an activation.
    """
    choice, options = a["condition"], [a.get("self"), a.get("other")]
    if isinstance(choice, torch.Tensor):
        ids = [t.as_ids(v) if hasattr(v, "shape") else torch.tensor(-1) for v in options]
        return Nodes(torch.where(choice.cpu(), *ids))
    nodes = [value for value in options if isinstance(value, Nodes)]
    if not nodes or any(isinstance(value, Recipe) for value in options):
        return None
    if len(nodes) == 2:
        return choose_among(t, nodes, name, "where")
    if _is_mask(choice):
        t.note(name, _KEPT)
    elif not _is_softmax(t, nodes[0]):
        t.builder.activate(t.sample(nodes[0]), "where")
    shapes = (tuple(value.shape) for value in (choice, *options) if hasattr(value, "shape"))
    return Nodes(nodes[0].ids.expand(torch.broadcast_shapes(*shapes)).clone())


@handles("maximum", "minimum", "fmax", "fmin")
def choose(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Choose the larger or smaller: an edge from each candidate; an activation for a constant."""
    nodes = [value for value in (a["self"], a["other"]) if isinstance(value, Nodes)]
    if len(nodes) == 2:
        return choose_among(t, nodes, name, "max")
    if any(isinstance(value, Recipe | Derived) for value in a.values()):
        return None
    t.builder.activate(t.sample(nodes[0]), "clamp")
    return nodes[0]


def choose_among(t: AtenTracer, nodes: list[Nodes], name: str, kind: str) -> Nodes:
    """Return nodes to which each of the others leads with weight one, as in a maximum pooling."""
    wide = torch.broadcast_tensors(*(value.ids for value in nodes))
    if torch.equal(*wide):
        t.builder.activate(t.sample(Nodes(wide[0])), kind)
        return Nodes(wide[0])
    samples = [t.sample(Nodes(ids)) for ids in wide]
    name = t.builder.unique(name)
    made = t.builder.fresh(name, samples[0], kind)
    for k, ids in enumerate(samples):
        ends: dict[str, Any] = {"source": View.of(ids), "target": View.of(made)}
        t.builder.add_block(Identity(name=t.builder.unique(f"{name}.{k}"), **ends))
    return t.batched(made, wide[0].shape)


def _is_softmax(t: AtenTracer, nodes: Nodes) -> bool:
    """Whether a softmax was just applied, whose rows without any entry are set to zero."""
    layers = t.builder.layers_of(View.of(t.sample(nodes)))
    return all(t.builder.activations.get(layer.name, [""])[-1] == "softmax" for layer in layers)


def _is_mask(value: Any) -> bool:
    """Whether a value says which tokens count."""
    if isinstance(value, Nodes):
        return value.is_index
    return isinstance(value, Derived) and value.source == "mask"
