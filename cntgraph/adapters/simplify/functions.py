"""Recognising functions of single neurons that were traced operation by operation.

Frameworks write some activations as what they are made of: x · ½(1 + tanh(√(2/π)(x + 0.0447 x³)))
is a GELU. Traced, that is a small graph whose paths part at x and meet again, node by node, with
constants on the way. Where no learned weight stands on them and what they compute is not linear,
the readers of the result read x instead, and the function is noted as an activation of x, as where
a framework has it in one operation.
"""

from __future__ import annotations

import numpy as np

from cntgraph.adapters.simplify.draft import Draft, is_learned
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Block, Diagonal, Identity

#: Kinds of layer that an elementwise function passes through.
_ELEMENTWISE = frozenset({"add", "multiply", "where", "max", "scale"})
#: Kinds of layer that are not linear in what they read.
_NOT_LINEAR = frozenset({"multiply", "where", "max"})
#: Products, powers and choices are part of any such function and do not tell one from another.
_WORDS = frozenset({"mul", "where", "max", "min", "pow"})
#: What a function is called by what is left of its parts' names.
_NAMES: dict[tuple[str, ...], str] = {
    ("sigmoid",): "silu", ("erf",): "gelu", ("erfc",): "gelu",
    ("exp", "log1p"): "softplus", ("exp", "log"): "softplus",
    ("exp", "log1p", "tanh"): "mish", ("softplus", "tanh"): "mish",
    ("clamp",): "hardswish", ("hardtanh",): "hardswish", ("hardsigmoid",): "hardswish",
    ("clamp", "relu"): "hardswish",
}  # fmt: skip
#: The same, where one part, which comes second, is noted on the neurons themselves.
_HALVES: dict[tuple[str, ...], tuple[str, str]] = {
    ("tanh",): ("pow", "gelu"),
    ("reciprocal",): ("abs", "softsign"),
}
#: The same, where no constant stood on the way, so that all parts are noted on the neurons.
_SEQUENCES = {
    ("sigmoid", "mul"): "silu", ("exp", "log1p", "where"): "softplus",
    ("softplus", "tanh", "mul"): "mish", ("hardsigmoid", "mul"): "hardswish",
}  # fmt: skip
#: Functions of functions, whatever comes before.
_CHAINS = {
    ("sqrt", "reciprocal"): "rsqrt", ("sigmoid", "log"): "log_sigmoid",
    ("relu", "clamp"): "clamp",
}  # fmt: skip


def collapse_functions(draft: Draft) -> None:
    """Let what reads an elementwise function of neurons read the neurons."""
    into = draft.by_end()
    for k, layer in enumerate(draft.layers):
        if layer.kind in _NOT_LINEAR or layer.kind == "add":
            found = _origin(draft, into, k)
            if found is not None:
                _collapse(draft, k, *found)
                into = draft.by_end()
    for applied in draft.activations.values():
        for parts, name in (_SEQUENCES | _CHAINS).items():
            for k in range(len(applied) if parts in _CHAINS else 1):
                if tuple(applied[k : k + len(parts)]) == parts:
                    applied[k : k + len(parts)] = [name]


def _origin(
    draft: Draft, into: dict[int, list[Block]], k: int
) -> tuple[int, Ids, list[int]] | None:
    """Return the layer that k is a function of, its node for each of k's, and what lies between.

    Layers are passed in reverse order, so that the first one at which all paths meet is it.
    """
    frontier: dict[int, Ids] = {}
    whole = np.arange(draft.layers[k].n_nodes, dtype=np.int64) + draft.layers[k].start
    between: list[int] = []
    if not _enter(draft, into, k, whole, frontier):
        return None
    while len(frontier) > 1:
        last = max(frontier)
        ids = frontier.pop(last)
        between.append(last)
        if draft.layers[last].kind not in _ELEMENTWISE:
            return None
        if not _enter(draft, into, last, ids, frontier):
            return None
    kinds = {draft.layers[layer].kind for layer in (k, *between)}
    bends = kinds & _NOT_LINEAR or any(draft.applied(layer) for layer in between)
    if not between or not bends:
        return None
    ((layer, ids),) = frontier.items()
    return layer, ids, between


def _enter(
    draft: Draft, into: dict[int, list[Block]], k: int, nodes: Ids, frontier: dict[int, Ids]
) -> bool:
    """Add what nodes of layer k are read from; False where that is not one node for each."""
    start = draft.layers[k].start
    if not into[k]:
        return False
    for block in into[k]:
        if not isinstance(block, Identity | Diagonal) or is_learned(block):
            return False
        ids = draft.read_by(block, k)[nodes - start]
        layers = draft.layers_of(block.source)
        if len(layers) != 1 or ids.min(initial=0) < 0:
            return False
        if not np.array_equal(frontier.setdefault(layers[0], ids), ids):
            return False
    return True


def _collapse(draft: Draft, k: int, origin: int, nodes: Ids, between: list[int]) -> None:
    """Let everything read the origin instead of layer k, and note the function on it."""
    k, nodes, last = _with_factor(draft, k, nodes)
    applied = draft.activations.setdefault(draft.layers[origin].name, [])
    _note(applied, [name for layer in reversed(between) for name in draft.applied(layer)])
    draft.note(origin, draft.applied(k))
    draft.bypass(k, nodes)
    draft.drop_unread([*between, *last])


def _with_factor(draft: Draft, k: int, nodes: Ids) -> tuple[int, Ids, list[int]]:
    """Return the constant multiple of layer k that alone reads it, if there is one."""
    readers = draft.readers(k)
    if len(readers) != 1 or draft.applied(k) or k in draft.output_layers():
        return k, nodes, []
    (block,) = readers
    multiple = isinstance(block, Diagonal) and block.bias is None and block.weight.shape == ()
    (end, *_) = draft.layers_of(block.target)
    if not multiple or is_learned(block) or draft.layers[end].kind != "scale":
        return k, nodes, []
    read = draft.read_by(block, end)
    whole = read.min(initial=0) >= 0
    return (end, nodes[read - draft.layers[k].start], [k]) if whole else (k, nodes, [])


def _note(applied: list[str], parts: list[str]) -> None:
    """Note a function by its usual name, or by the names of its parts."""
    words = tuple(sorted({name for name in parts if name not in _WORDS}))
    name = _NAMES.get(words)
    half, whole = _HALVES.get(words, ("", ""))
    if half in (*applied, *parts):
        name = whole
        applied[:] = [name for name in applied if name != half]
    for label in [name] if name else list(dict.fromkeys(parts)) or ["mul"]:
        if label not in applied:
            applied.append(label)
