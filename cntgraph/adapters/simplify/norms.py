"""Recognising normalisations that were traced operation by operation.

Two steps of a layer norm leave traces. Centring, d = x - mean(x), is an addition of x and, with
sign -1, of an average over parts of x. Scaling, y = d · r, is a product in which d is handed on
and r modulates, where r comes from d (or x) without any weight, by way of an inverse square
root. Neither changes which neuron a value belongs to: the readers of d or y read x instead, and
the normalisation is noted as an activation of x, as where a framework has it in one operation.
"""

from __future__ import annotations

from dataclasses import replace

from cntgraph.adapters.simplify.draft import Draft, is_learned
from cntgraph.network.blocks import Block, Diagonal, Identity, Pool

#: What a scaling by statistics passes through.
_INVERSES = {"rsqrt", "sqrt", "reciprocal", "pow"}
#: What statistics note on the neurons themselves: squares of them are taken.
_SQUARES = ("pow", "mul", "abs")
_STATISTICS = {"pool", "scale", "add", "multiply", "norm"}


def collapse_norms(draft: Draft) -> set[str]:
    """Collapse every normalisation by statistics of the data into what it normalises.

    Returns
    -------
    set of str
        Names of the scalings that apply a gain or a shift to what was normalised.
    """
    gains: set[str] = set()
    for k in range(len(draft.layers)):
        if draft.layers[k].kind == "multiply":
            gains |= _collapse(draft, k)
    for block in (b for b in draft.blocks if b.name in gains):
        for k in draft.layers_of(block.target):
            draft.layers[k] = replace(draft.layers[k], kind="norm")
    return gains


def _collapse(draft: Draft, k: int) -> set[str]:
    """Collapse y = d · r(d), and d = x - mean(x); return the names of what reads y as a gain."""
    found = _normalised(draft, k)
    if found is None:
        return set()
    handed, centring, branch = found
    gains = {b.name for b in draft.readers(k) if isinstance(b, Diagonal | Identity)}
    _read_through(draft, k, handed)
    draft.drop_unread(branch)
    if centring is not None:
        _uncentre(draft, centring)
    for layer in draft.layers_of((centring or handed).source):
        _note(draft, layer, "layer_norm" if centring else "rms_norm")
    return {b.name for b in draft.blocks if b.name in gains and is_learned(b)}


def _normalised(draft: Draft, k: int) -> tuple[Block, Block | None, set[int]] | None:
    """Return what hands d on to y = d · r(d), what hands x on to d, and the layers that r is of."""
    into = draft.into(k)
    handed = [block for block in into if _hands_on(block)]
    others = [block for block in into if block.modulatory]
    if len(handed) != 1 or len(into) != 1 + len(others) or not others:
        return None
    origin = set(draft.layers_of(handed[0].source))
    centring = _centring(draft, *origin) if len(origin) == 1 else None
    if centring is not None:
        origin |= set(draft.layers_of(centring.source))
    if not all(_is_statistic(draft, block, origin) for block in others):
        return None
    return handed[0], centring, {k for b in others for k in _ancestors(draft, b, origin)}


def _centring(draft: Draft, k: int) -> Block | None:
    """Return what hands x on to d = x - mean(x), if that is what layer k is."""
    into = draft.into(k)
    if len(into) != 2 or draft.layers[k].kind != "add":
        return None
    handed, mean = sorted(into, key=lambda block: isinstance(block, Diagonal))
    pools = draft.layers_of(mean.source)
    if not _hands_on(handed) or not _is_minus_one(mean) or len(pools) != 1:
        return None
    return handed if _averages(draft, pools[0], draft.layers_of(handed.source)) else None


def _uncentre(draft: Draft, centring: Block) -> None:
    """Let the readers of d = x - mean(x) read x, and drop the mean if nothing else reads it."""
    (k,) = draft.layers_of(centring.target)
    means = {layer for b in draft.into(k) if b is not centring
             for layer in draft.layers_of(b.source)}  # fmt: skip
    _read_through(draft, k, centring)
    draft.drop_unread(means)


def _averages(draft: Draft, pool: int, of: list[int]) -> bool:
    into = draft.into(pool)
    return bool(into) and all(
        isinstance(b, Pool) and b.mode == "average" and set(draft.layers_of(b.source)) <= set(of)
        for b in into
    )


def _note(draft: Draft, layer: int, norm: str) -> None:
    """Note a normalisation on neurons instead of the square that its statistics took."""
    applied = draft.activations.setdefault(draft.layers[layer].name, [])
    squares = [at for at, name in enumerate(applied) if name in _SQUARES]
    if squares:
        del applied[squares[-1]]
    if norm not in applied:
        applied.append(norm)


def _is_statistic(draft: Draft, block: Block, origin: set[int]) -> bool:
    """Whether a block modulates by nothing but statistics of the layers in `origin`."""
    branch = _ancestors(draft, block, origin)
    inverse = any(name in _INVERSES for layer in branch for name in draft.applied(layer))
    return inverse and all(draft.layers[layer].kind in _STATISTICS for layer in branch) and all(
        not b.parametric or not is_learned(b) for layer in branch for b in draft.into(layer)
    )  # fmt: skip


def _ancestors(draft: Draft, block: Block, origin: set[int]) -> set[int]:
    """Return the layers from which a block's source is computed, back to those in `origin`."""
    found: set[int] = set()
    waiting = [layer for layer in draft.layers_of(block.source) if layer not in origin]
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            for b in draft.into(layer):
                waiting += [k for k in draft.layers_of(b.source) if k not in origin]
    return found


def _read_through(draft: Draft, k: int, handed: Block) -> None:
    """Let everything read what layer k hands on instead of layer k, which is then no more."""
    for layer in draft.layers_of(handed.source):
        draft.note(layer, draft.applied(k))
    draft.bypass(k, draft.read_by(handed, k))


def _hands_on(block: Block) -> bool:
    return isinstance(block, Identity) and not block.modulatory and block.bias is None


def _is_minus_one(block: Block) -> bool:
    if not isinstance(block, Diagonal) or block.bias is not None or is_learned(block):
        return False
    return bool((block.weight.read() == -1.0).all())
