"""Folding what follows an operation into it, and merging branches that are added up.

Three rewrites, each exact, applied layer by layer in order. Layer u *ends in* layer v when v
reads every node of u once, nothing else reads u, u is not an output of the network, and no
activation stands between them. Then

* a normalization or constant scaling v = w ⊙ u + b is folded into the blocks that lead to u,
* a constant v = u + b is added to their bias,
* an addition v = u + … receives the blocks that lead to u, re-indexed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.simplify.averages import averages
from cntgraph.adapters.simplify.draft import Draft, hands_on
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Identity, Pool
from cntgraph.network.blocks.base import broadcasts


def fold_backward(draft: Draft, unfoldable: Collection[str]) -> dict[str, str]:
    """Fold scalings into what they follow, and merge branches into additions.

    Parameters
    ----------
    unfoldable : collection of str
        Names of scalings that stay blocks of their own.

    Returns
    -------
    dict of str to str
        For each parameter that was folded, the operation it belonged to.
    """
    folded: dict[str, str] = {}
    for k, layer in enumerate(draft.layers):
        for block in draft.into(k):
            if not isinstance(block, Diagonal | Identity) or block.source.mask is not None:
                continue
            changes = block.weight is not None or block.bias is not None
            if hands_on(block) and layer.kind == "add":
                _absorb(draft, k, block)
            elif changes and len(draft.into(k)) == 1 and block.name not in unfoldable:
                folded |= _fold(draft, k, block)
    return folded


def _ends_here(draft: Draft, u: int) -> bool:
    """Whether layer u is read once, has no activation, and its blocks may be moved."""
    one = len(draft.readers(u)) == 1 and u not in draft.output_layers()
    return one and not draft.layers[u].is_input and not draft.applied(u) and bool(draft.into(u))


def _whole_before(draft: Draft, block: Block) -> int | None:
    """Return the layer that ends in a block's target, all of it in order; None if none does."""
    sources, views = draft.layers_of(block.source), (block.source, block.target)
    in_order = all(view.ids is None for view in views) and len(sources) == 1
    if not in_order or not _ends_here(draft, sources[0]):
        return None
    return sources[0] if block.source.size == draft.layers[sources[0]].n_nodes else None


# -- folding --------------------------------------------------------------------------------------


def _fold(draft: Draft, k: int, block: Diagonal | Identity) -> dict[str, str]:
    """Fold v = w ⊙ u + b into the blocks that lead to u, if u ends in v in order."""
    u = _whole_before(draft, block)
    if u is None:
        return {}
    into, layer, target = draft.into(u), draft.layers[u], draft.layers[k]
    # The constant is added once to every node: by one block that leads to all of them.
    carrier = next((b for b in into if b.target.size == layer.n_nodes), None)
    if carrier is None and block.bias is not None:
        return {}
    if layer.kind == target.kind == "scale":  # of a shift that came first
        carrier, *_ = into = [_by_one(b) for b in into]
    scaled = [_scaled(b, block, shifted=b is carrier) for b in into]
    if any(b is None for b in scaled):
        return {}
    moved = [replace(b, target=b.target.shifted(target.start - layer.start))
             for b in scaled if b is not None]  # fmt: skip
    draft.hand_over(u, k, block, moved)
    draft.layers[k] = replace(target, name=layer.name, kind=layer.kind, shape=layer.shape)
    if target.name in draft.activations:
        draft.activations[layer.name] = draft.activations.pop(target.name)
    if carrier is not None and _is_its_bias(block, carrier):
        return {}
    return {parameter.name: block.name for parameter in block.parameters()}


# -- additions ------------------------------------------------------------------------------------


def _absorb(draft: Draft, k: int, block: Block) -> None:
    """Hand the blocks of every branch that ends in an addition over to it."""
    whole = _whole_before(draft, block)
    if whole is not None:  # which need not be looked at node by node
        offset = block.target.start - block.source.start
        moved = [replace(b, target=b.target.shifted(offset)) for b in draft.into(whole)]
        draft.hand_over(whole, k, block, moved)
        return
    source, target = block.source.as_ids(), block.target.as_ids()
    for u in draft.layers_of(block.source):
        layer = draft.layers[u]
        here = (source >= layer.start) & (source < layer.slice.stop)
        nodes = source[here] - layer.start
        if nodes.size != layer.n_nodes or not _ends_here(draft, u):
            continue
        moved_to = np.full(layer.n_nodes, -1, dtype=np.int64)
        moved_to[nodes] = target[here]
        if moved_to.min(initial=0) < 0:
            continue
        moved = [_retargeted(b, moved_to, layer.start) for b in draft.into(u)]
        source, target = source[~here], target[~here]
        if source.size:
            rest = replace(block, source=View.of(source), target=View.of(target))
            draft.hand_over(u, k, block, [*moved, rest])
            block = rest
        else:
            draft.hand_over(u, k, block, moved)


def _by_one(block: Block) -> Block:
    """Return a shift as a scaling by one, which can be scaled further; any other block as it is."""
    if not isinstance(block, Identity) or block.modulatory:
        return block
    return Diagonal(
        name=block.name,
        source=block.source,
        target=block.target,
        weight=Recipe.constant(1.0),
        bias=block.bias,
        parametric=False,
    )


def _is_its_bias(shift: Diagonal | Identity, block: Block) -> bool:
    """Whether a block without a bias has one value per output added: it is written in two steps."""
    if shift.weight is not None or shift.bias is None or block.bias is not None:
        return False
    shape = shift.bias.shape
    by_channel = len(shape) == len(shift.target.shape) and prod(shape[1:]) == 1
    return isinstance(block, Dense | Conv) and by_channel


def _retargeted(block: Block, moved_to: NDArray[np.int64], start: int) -> Block:
    ids = moved_to[block.target.as_ids() - start]
    return replace(block, target=View.of(ids, block.target.shape))


def _scaled(block: Block, by: Diagonal | Identity, *, shifted: bool) -> Block | None:
    """Return `block` followed by w ⊙ x (+ b if `shifted`), or None where it is not of its kind."""
    wanted = {"scale": by.weight, "shift": by.bias if shifted else None}
    fitted = {key: _fitted(r, by, block) for key, r in wanted.items() if r is not None}
    if any(recipe is None for recipe in fitted.values()):
        return None
    scale, shift, bias = fitted.get("scale"), fitted.get("shift"), block.bias
    if bias is not None and scale is not None:
        bias = bias * scale
    if shift is not None:
        bias = shift if bias is None else bias + shift
    if scale is None or (block.modulatory and not any(True for _ in scale.parameters())):
        return replace(block, bias=bias)  # an edge that only modulates carries no size
    if isinstance(block, Pool):
        operators = averages(block, scale)
        if not operators:
            return None
        return replace(block, operators=operators, mode="average", bias=bias)
    weight = _scaled_weight(block, scale)
    if weight is None:
        return None
    parametric = block.parametric or (isinstance(block, Diagonal) and by.parametric)
    return replace(block, weight=weight, bias=bias, parametric=parametric)


def _fitted(recipe: Recipe, by: Block, block: Block) -> Recipe | None:
    """Return a recipe that broadcasts against `by`'s target, re-laid for `block`'s target."""
    ours, theirs = block.target.shape, by.target.shape
    if ours == theirs and block.target.ids is None:
        return recipe
    padded = (1,) * (len(theirs) - len(recipe.shape)) + recipe.shape
    if block.target.ids is None and _without_ones(ours) == _without_ones(theirs):
        kept = iter([size for size, n in zip(padded, theirs, strict=True) if n != 1])
        return recipe.reshape(tuple(1 if n == 1 else next(kept) for n in ours))
    if any(size != 1 for size in padded[1:]):
        return None
    if padded[0] != 1:
        # One value per channel: each of the block's targets must lie in its own channel.
        places = block.target.as_ids() - by.source.start
        channels = np.arange(places.size) // prod(ours[1:])
        if ours[:1] != theirs[:1] or (places // prod(theirs[1:]) != channels).any():
            return None
    return recipe.reshape(padded[:1] + (1,) * (len(ours) - 1))


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _scaled_weight(block: Block, scale: Recipe) -> Recipe | None:
    """Return the weight of a block whose output is scaled channel by channel, if it can be."""
    if isinstance(block, Diagonal):
        return block.weight * scale
    if not isinstance(block, Dense | Conv):
        return None
    n_channels, *positions = block.target.shape
    if not broadcasts(scale.shape, (n_channels, *(1 for _ in positions))):
        return None
    ones = (1,) * (len(block.weight.shape) - 1)
    if isinstance(block, Conv) and block.transposed:
        # Its weight has the output channels of a group on the second axis.
        by_channel = (1, -1, *ones[1:])
        return None if block.groups != 1 else block.weight * scale.reshape(by_channel)
    return block.weight * scale.reshape((-1, *ones))
