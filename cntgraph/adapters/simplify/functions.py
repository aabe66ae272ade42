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
from cntgraph.network.blocks import Block, Diagonal, Identity

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
        if layer.kind not in _NOT_LINEAR and layer.kind != "add":
            continue
        # Most layers are told by what lies around them: their nodes need not be looked at.
        between = _between(draft, k)
        if between is None or (name := _name(draft, between)) is None:
            continue
        nodes = _origin(draft, k, between)
        if nodes is not None:
            _collapse(draft, k, nodes, between, name)


def _name(draft: Draft, between: list[int]) -> str | None:
    """Return the name of a function by the layers that lie between it and what it is of."""
    parts = {name for other in between for name in draft.applied(other)} - {"where"}
    if any(draft.layers[other].kind == "multiply" for other in between):
        parts.add("pow")  # x · x · x
    return _NAMES.get(frozenset(parts))


def _between(draft: Draft, k: int) -> list[int] | None:
    """Return the layers between layer k and the one that it may be a function of.

    They are passed in reverse order, so that the first one at which all paths meet is it; None
    where one of them is no function of single neurons.
    """
    between, frontier, last = list[int](), set[int](), k
    while True:
        read = _read(draft, last)
        if read is None:
            return None
        frontier.update(source for source, _ in read)
        if len(frontier) == 1:
            break
        last = max(frontier)
        frontier.remove(last)
        between.append(last)
        own = draft.applied(last)
        if draft.layers[last].kind not in _ELEMENTWISE or OF_SEVERAL.intersection(own):
            return None
    linear = not any(draft.layers[layer].kind in _NOT_LINEAR for layer in (k, *between))
    return None if linear else between


def _read(draft: Draft, k: int) -> list[tuple[int, Block]] | None:
    """Return what leads to layer k, and from which layer; None unless each does one by one."""
    found: list[tuple[int, Block]] = []
    for block in draft.into(k):
        layers = draft.layers_of(block.source)
        if not isinstance(block, Identity | Diagonal) or is_learned(block):
            return None
        if len(layers) != 1 or layers[0] >= k:
            return None  # of a loop, what leads back
        found.append((layers[0], block))
    return found or None


def _origin(draft: Draft, k: int, between: list[int]) -> Ids | None:
    """Return the node for each of k's that it is a function of; None where paths do not meet."""
    layer = draft.layers[k]
    frontier: dict[int, Ids] = {k: np.arange(layer.start, layer.slice.stop, dtype=np.int64)}
    for end in (k, *between):
        places = frontier.pop(end) - draft.layers[end].start
        for source, block in _read(draft, end) or ():
            ids = draft.read_by(block, end)[places]
            if ids.min(initial=0) < 0 or not np.array_equal(frontier.setdefault(source, ids), ids):
                return None
    ((_, ids),) = frontier.items()
    return ids


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
