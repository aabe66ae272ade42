"""Recognizing functions of single neurons that were traced operation by operation.

Frameworks write some activations as what they are made of: x · ½(1 + tanh(√(2/π)(x + 0.0447 x³)))
is a GELU. Traced, that is a small graph whose paths part at x and meet again, node by node, with
constants on the way. Where no learned weight stands on them and the function has a name, the
layer at which they meet is that function of x, as where a framework has it in one operation; any
other one stays as it was traced.
"""

from __future__ import annotations

import numpy as np

from cntgraph.adapters.simplify.draft import Draft, is_learned
from cntgraph.core.types import Ids
from cntgraph.network.activations import OF_SEVERAL
from cntgraph.network.blocks import Diagonal, Identity

#: Kinds of layer that are not linear in what they read.
_NOT_LINEAR = frozenset({"multiply", "where", "max", "min"})
#: Kinds of layer that an elementwise function passes through.
_ELEMENTWISE = _NOT_LINEAR | {"activation", "add", "scale"}
#: What a function is called by the names of its parts; choices do not tell one from another.
_NAMES: dict[frozenset[str], str] = {
    frozenset(parts.split()): name
    for name, ways in {
        "silu": ["sigmoid"],
        "gelu": ["erf", "erfc", "pow tanh"],
        "softsign": ["abs reciprocal"],
        "softplus": ["exp log1p", "exp log", "softplus"],
        "mish": ["exp log1p tanh", "softplus tanh"],
        "hardswish": ["clamp", "hardtanh", "hardsigmoid", "clamp relu"],
    }.items()
    for parts in ways
}


def collapse_functions(draft: Draft) -> None:
    """Let every layer that is a function of neurons with a name be that function of them."""
    for k, layer in enumerate(draft.layers):
        if layer.kind in _NOT_LINEAR or layer.kind == "add":
            found = _origin(draft, k)
            if found is not None:
                nodes, between = found
                parts = {name for other in between for name in draft.applied(other)} - {"where"}
                if any(draft.layers[other].kind == "multiply" for other in between):
                    parts.add("pow")  # x · x · x
                if name := _NAMES.get(frozenset(parts)):
                    _collapse(draft, k, nodes, between, name)


def _origin(draft: Draft, k: int) -> tuple[Ids, list[int]] | None:
    """Return the node for each of k's that it is a function of, and the layers that lie between.

    Layers are passed in reverse order, so that the first one at which all paths meet is it.
    """
    frontier: dict[int, Ids] = {}
    whole = np.arange(draft.layers[k].n_nodes, dtype=np.int64) + draft.layers[k].start
    between: list[int] = []
    if not _enter(draft, k, whole, frontier):
        return None
    while len(frontier) > 1:
        last = max(frontier)
        ids = frontier.pop(last)
        between.append(last)
        if draft.layers[last].kind not in _ELEMENTWISE:
            return None
        if OF_SEVERAL.intersection(draft.applied(last)) or not _enter(draft, last, ids, frontier):
            return None
    if not any(draft.layers[layer].kind in _NOT_LINEAR for layer in (k, *between)):
        return None
    ((_, ids),) = frontier.items()
    return ids, between


def _enter(draft: Draft, k: int, nodes: Ids, frontier: dict[int, Ids]) -> bool:
    """Add what nodes of layer k are read from; False where that is not one node for each."""
    start, into = draft.layers[k].start, draft.into(k)
    for block in into:
        if not isinstance(block, Identity | Diagonal) or is_learned(block):
            return False
        ids = draft.read_by(block, k)[nodes - start]
        layers = draft.layers_of(block.source)
        if len(layers) != 1 or layers[0] >= k or ids.min(initial=0) < 0:
            return False  # of a loop, what leads back
        if not np.array_equal(frontier.setdefault(layers[0], ids), ids):
            return False
    return bool(into)


def _collapse(draft: Draft, k: int, nodes: Ids, between: list[int], name: str) -> None:
    """Let layer k, or a constant multiple that alone reads it, be a function of nodes."""
    end, nodes = _with_factor(draft, k, nodes)
    draft.make_form(end, nodes, name)
    draft.drop_unread([*between, *({k} - {end})])


def _with_factor(draft: Draft, k: int, nodes: Ids) -> tuple[int, Ids]:
    """Return the constant multiple of layer k that alone reads it, if there is one."""
    readers = draft.readers(k)
    if len(readers) != 1 or k in draft.output_layers():
        return k, nodes
    (block,) = readers
    multiple = isinstance(block, Diagonal) and block.bias is None and block.weight.shape == ()
    (end, *_) = draft.layers_of(block.target)
    if not multiple or is_learned(block) or draft.layers[end].kind != "scale":
        return k, nodes
    read = draft.read_by(block, end)
    return (end, nodes[read - draft.layers[k].start]) if read.min(initial=0) >= 0 else (k, nodes)
