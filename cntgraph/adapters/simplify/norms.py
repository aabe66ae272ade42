"""Recognizing normalizations that were traced operation by operation.

Two steps of a layer norm leave traces. Centering, d = x - mean(x), is an addition of x and, with
sign -1, of an average over parts of x. Scaling, y = d · r, is a product in which d is handed on
and r modulates, where r comes from d (or x) without any weight, by way of an inverse square
root. Layer y is then a normalization of x, as where a framework has it in one operation. Where
d is exp(x), or exp(x - max(x)), and r the inverse of its sum, it is a softmax of x.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cntgraph.adapters.simplify.draft import Draft, hands_on, is_learned
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Diagonal, Identity, Pool, PoolMode

#: What a scaling by statistics passes through.
_INVERSES = {"rsqrt", "sqrt", "reciprocal", "pow"}
_STATISTICS = {"activation", "pool", "scale", "add", "multiply", "norm"}


@dataclass(frozen=True)
class _Found:
    """A normalization: its name, the node that each of its nodes is of, and what it passed."""

    name: str
    nodes: Ids
    passed: set[int]


def collapse_norms(draft: Draft) -> set[str]:
    """Let every layer that normalizes by statistics of the data be that function of what it reads.

    Returns
    -------
    set of str
        Names of the scalings that apply a gain or a shift to what was normalized.
    """
    gains: set[str] = set()
    for k in range(len(draft.layers)):
        found = _normalized(draft, k) if draft.layers[k].kind == "multiply" else None
        if found is not None:
            draft.make_form(k, found.nodes, found.name)
            draft.drop_unread(found.passed)
            gains |= _mark_gains(draft, k)
    return gains


def _mark_gains(draft: Draft, k: int) -> set[str]:
    """Let the learned scalings and shifts that read a normalization be part of it."""
    gains = [b for b in draft.readers(k) if isinstance(b, Diagonal | Identity) and is_learned(b)]
    for end in (end for block in gains for end in draft.layers_of(block.target)):
        draft.layers[end] = replace(draft.layers[end], kind="norm")
    return {block.name for block in gains}


def _normalized(draft: Draft, k: int) -> _Found | None:
    """Return what a product normalizes, if that is what it does."""
    into = draft.into(k)
    handed = [block for block in into if hands_on(block)]
    others = [block for block in into if block.modulatory]
    if len(handed) != 1 or len(into) != 1 + len(others) or not others:
        return None
    nodes, (origin, *more) = draft.read_by(handed[0], k), draft.layers_of(handed[0].source)
    if nodes.min(initial=0) < 0:
        return None
    found = _Found("rms_norm", nodes, set())
    if not more:
        found = _without_mean(draft, origin, found) or found
    branch = _branch(draft, others, {origin, *more, *draft.layers_of(View.of(found.nodes))})
    if branch is None:
        return None
    found = replace(found, passed=found.passed | branch)
    if found.name == "rms_norm" and _is_sum(draft, branch):
        return _softmax(draft, origin, found) or replace(found, name="unit_norm")
    return found


def _without_mean(
    draft: Draft, k: int, found: _Found, mode: PoolMode = "average", name: str = "layer_norm"
) -> _Found | None:
    """Return what comes of x where layer k is x - mean(x), or of what else is pooled of x."""
    into = draft.into(k)
    if len(into) != 2 or draft.layers[k].kind != "add":
        return None
    handed, mean = sorted(into, key=lambda block: isinstance(block, Diagonal))
    pools, of = draft.layers_of(mean.source), draft.layers_of(handed.source)
    if not hands_on(handed) or not _is_minus_one(mean) or len(pools) != 1:
        return None
    if not _pools(draft, pools[0], of, mode):
        return None
    nodes = draft.read_by(handed, k)[found.nodes - draft.layers[k].start]
    return _Found(name, nodes, {*found.passed, k, *pools})


def _softmax(draft: Draft, k: int, found: _Found) -> _Found | None:
    """Return the softmax that exponentials over their sum are, the largest taken off or not."""
    if draft.applied(k) != ["exp"]:
        return None
    (edge,) = draft.into(k)
    nodes = draft.read_by(edge, k)[found.nodes - draft.layers[k].start]
    found = _Found("softmax", nodes, {*found.passed, k})
    sources = draft.layers_of(edge.source)
    less = _without_mean(draft, sources[0], found, "max", "softmax") if len(sources) == 1 else None
    return less or found


def _pools(draft: Draft, pool: int, of: list[int], mode: PoolMode) -> bool:
    into = draft.into(pool)
    return bool(into) and all(
        isinstance(b, Pool) and b.mode == mode and set(draft.layers_of(b.source)) <= set(of)
        for b in into
    )


def _is_sum(draft: Draft, branch: Iterable[int]) -> bool:
    """Whether statistics are sums that nothing divides by the number of values."""
    blocks = [block for k in branch for block in draft.into(k)]
    if any(isinstance(block, Diagonal) for block in blocks):
        return False
    return all(block.mode == "sum" for block in blocks if isinstance(block, Pool))


def _branch(draft: Draft, blocks: list[Block], origin: set[int]) -> set[int] | None:
    """Return the layers between those in `origin` and what modulates by their statistics.

    None where it is anything else; what is older than what it would be a statistic of is.
    """
    found: set[int] = set()
    waiting = [k for block in blocks for k in draft.layers_of(block.source)]
    while waiting:
        k = waiting.pop()
        if k in origin or k in found:
            continue
        into = draft.into(k)
        if k < min(origin) or draft.layers[k].kind not in _STATISTICS or any(map(is_learned, into)):
            return None
        found.add(k)
        waiting += [source for block in into for source in draft.layers_of(block.source)]
    inverse = any(name in _INVERSES for k in found for name in draft.applied(k))
    pooled = any(isinstance(block, Pool) for k in found for block in draft.into(k))
    return found if inverse and pooled else None


def _is_minus_one(block: Block) -> bool:
    if not isinstance(block, Diagonal) or block.bias is not None or is_learned(block):
        return False
    return bool((block.weight.read() == -1.0).all())
