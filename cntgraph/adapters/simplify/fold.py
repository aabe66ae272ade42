"""Folding what follows an operation into it, and merging branches that are added up.

Three rewrites, each exact, applied layer by layer in order. Layer u *ends in* layer v when v
reads every node of u once, nothing else reads u, u is not an output of the network, and no
activation stands between them. Then

* a normalisation or constant scaling v = w ⊙ u + b is folded into the blocks that lead to u,
* a constant v = u + b is added to their bias,
* an addition v = u + … receives the blocks that lead to u, re-indexed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.simplify.averages import averages
from cntgraph.adapters.simplify.draft import Draft
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Identity, Pool


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
    work = _Folding(draft, unfoldable)
    work.run()
    draft.layers, draft.removed = work.layers, draft.removed | work.removed
    draft.blocks = [block for k in (*range(len(work.layers)), -1) for block in work.into[k]]
    return work.folded


class _Folding:
    """The state of one folding: blocks by the layer they end in, and who reads a layer."""

    def __init__(self, draft: Draft, unfoldable: Collection[str]) -> None:
        self.draft, self.unfoldable = draft, unfoldable
        self.into = draft.by_end()
        self.readers = Counter({k: len(blocks) for k, blocks in draft.by_source().items()})
        self.removed: set[int] = set()
        self.layers = list(draft.layers)
        self.folded: dict[str, str] = {}
        self.outputs = draft.output_layers()

    def run(self) -> None:
        for k in range(len(self.layers)):
            for block in list(self.into[k]):
                if isinstance(block, Diagonal | Identity) and block.source.mask is None:
                    self._merge(k, block)

    def _merge(self, k: int, block: Diagonal | Identity) -> None:
        if len(self.into[k]) == 1 and not _is_plain(block):
            self._fold(k, block)
        elif isinstance(block, Identity) and not block.modulatory and self._is_addition(k):
            self._absorb(k, block)

    def _is_addition(self, k: int) -> bool:
        return self.layers[k].kind == "add"

    def _ends_here(self, u: int) -> bool:
        """Whether layer u is read once, has no activation, and its blocks may be moved."""
        layer = self.layers[u]
        return (
            self.readers[u] == 1
            and u not in self.outputs
            and not layer.is_input
            and not self.draft.activations.get(layer.name)
            and bool(self.into[u])
        )

    # -- folding ----------------------------------------------------------------------------

    def _fold(self, k: int, block: Diagonal | Identity) -> None:
        """Fold v = w ⊙ u + b into the blocks that lead to u, if u ends in v in order."""
        sources = self.draft.layers_of(block.source)
        if block.name in self.unfoldable or len(sources) != 1:
            return
        (u,) = sources
        layer = self.layers[u]
        whole = block.source.ids is None and block.source.size == layer.n_nodes
        if not whole or block.target.ids is not None or not self._ends_here(u):
            return
        # The constant is added once to every node: by one block that leads to all of them.
        carrier = next((b for b in self.into[u] if b.target.size == layer.n_nodes), None)
        if carrier is None and block.bias is not None:
            return
        if self.layers[u].kind == self.layers[k].kind == "scale":  # of a shift that came first
            self.into[u] = [_by_one(b) for b in self.into[u]]
            carrier = self.into[u][0]
        scaled = [_scaled(b, block, shifted=b is carrier) for b in self.into[u]]
        if any(b is None for b in scaled):
            return
        offset = self.layers[k].start - layer.start
        moved = [replace(b, target=b.target.shifted(offset)) for b in scaled if b is not None]
        if carrier is None or not _is_its_bias(block, carrier):
            for parameter in block.parameters():
                self.folded[parameter.name] = block.name
        self._replace(k, [block], moved, u)
        self.layers[k] = replace(
            self.layers[k], name=layer.name, kind=layer.kind, shape=layer.shape
        )
        self._rename_activation(block.name, layer.name)

    def _rename_activation(self, old: str, new: str) -> None:
        if old in self.draft.activations:
            self.draft.activations[new] = self.draft.activations.pop(old)

    # -- additions ----------------------------------------------------------------------------

    def _absorb(self, k: int, block: Identity) -> None:
        """Hand the blocks of every branch that ends in an addition over to it."""
        source, target = block.source.as_ids(), block.target.as_ids()
        for u in self.draft.layers_of(block.source):
            layer = self.layers[u]
            here = (source >= layer.start) & (source < layer.slice.stop)
            nodes = source[here] - layer.start
            if nodes.size != layer.n_nodes or not self._ends_here(u):
                continue
            moved_to = np.full(layer.n_nodes, -1, dtype=np.int64)
            moved_to[nodes] = target[here]
            if moved_to.min(initial=0) < 0:
                continue
            moved = [_retargeted(b, moved_to, layer.start) for b in self.into[u]]
            source, target = source[~here], target[~here]
            rest = [self._remaining(block, source, target)] if source.size else []
            self._replace(k, [b for b in self.into[k] if b.name == block.name], moved + rest, u)

    @staticmethod
    def _remaining(block: Identity, source: NDArray[np.int64], target: NDArray[np.int64]) -> Block:
        return replace(block, source=View.of(source), target=View.of(target))

    def _replace(self, k: int, old: list[Block], new: list[Block], u: int) -> None:
        """Put the blocks `new` in the place of `old` at layer k; layer u is no more."""
        kept = self.into[k]
        at = kept.index(old[0]) if old else len(kept)
        self.into[k] = kept[:at] + new + [b for b in kept[at:] if b not in old]
        self.into[u] = []
        self.removed.add(u)


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


def _is_plain(block: Block) -> bool:
    return isinstance(block, Identity) and block.bias is None


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
    if isinstance(block, Diagonal) and isinstance(by, Diagonal):
        parametric = block.parametric or by.parametric
        return replace(block, weight=weight, bias=bias, parametric=parametric)
    return replace(block, weight=weight, bias=bias)


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
    padded = (1,) * (len(block.target.shape) - len(scale.shape)) + scale.shape
    if any(size != 1 for size in padded[1:]):
        return None
    ones = (1,) * (len(block.weight.shape) - 1)
    if isinstance(block, Conv) and block.transposed:
        # Its weight has the output channels of a group on the second axis.
        by_channel = (1, padded[0], *ones[1:])
        return None if block.groups != 1 else block.weight * scale.reshape(by_channel)
    return block.weight * scale.reshape((padded[0], *ones))
