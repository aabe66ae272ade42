"""Folding the gain of a normalization into the operations that read it.

With x̂ normalized by statistics of the data, W (g ⊙ x̂ + b) + c = (W g) x̂ + (W b + c): where every
reader is affine, gain and shift go into its weight and bias, and the layer of their own is no
more. A shift cannot pass a convolution that reads padding, whose border would differ.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.simplify.draft import Draft
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Identity
from cntgraph.network.layer import Layer


def fold_gains(draft: Draft, gains: Collection[str]) -> dict[str, str]:
    """Fold gains and shifts of normalizations into the affine operations that read them.

    Parameters
    ----------
    gains : collection of str
        Names of the diagonal blocks that apply them.

    Returns
    -------
    dict of str to str
        For each parameter that was folded, the operation it belonged to.
    """
    folded: dict[str, str] = {}
    for k, layer in enumerate(draft.layers):
        gain, *others = draft.into(k) or (None,)
        if gain is None or others or gain.name not in gains:
            continue
        if k in draft.output_layers() or draft.applied(k):
            continue
        by_channel = all(_is_by_channel(r, layer) for r in (gain.weight, gain.bias))
        if not isinstance(gain, Diagonal | Identity) or not by_channel:
            continue
        changed = [_folded(draft, reader, gain, k) for reader in draft.readers(k)]
        if not changed or any(block is None for block in changed):
            continue
        if draft.places is not None:
            draft.places.note_gain(gain)
        draft.bypass(k, [block for block in changed if block])
        folded |= {parameter.name: gain.name for parameter in gain.parameters()}
    return folded


def _folded(draft: Draft, reader: Block, gain: Diagonal | Identity, k: int) -> Block | None:
    """Return a reader of g ⊙ x + b, of layer k alone, as one of x; None where it cannot be one."""
    if not isinstance(reader, Dense | Conv) or reader.modulatory:
        return None
    if draft.layers_of(reader.source) != [k] or (isinstance(reader, Conv) and reader.groups != 1):
        return None
    channels = _channels(reader, draft.layers[k])
    if channels is None:
        return None
    axis = 0 if isinstance(reader, Conv) and reader.transposed else 1
    scale, shift = (_along(r, channels, axis, reader) for r in (gain.weight, gain.bias))
    weight, bias = reader.weight, reader.bias
    if shift is not None:
        if not _reads_everything(reader):
            return None
        axes = tuple(range(1, len(weight.shape)))
        ones = (1,) * (len(reader.target.shape) - 1)
        constant = (weight * shift).sum(axes).reshape((-1, *ones))
        bias = constant if bias is None else bias + constant
    return replace(reader, weight=weight if scale is None else weight * scale, bias=bias)


def _along(
    recipe: Recipe | None, channels: NDArray[np.int64], axis: int, reader: Dense | Conv
) -> Recipe | None:
    """Return one value per channel as one per input channel of a reader's weight."""
    if recipe is None:
        return None
    (n, *_) = recipe.shape or (1,)
    if n > 1:
        recipe, n = recipe.reshape((n,)).gather(0, channels), len(channels)
    return recipe.reshape(tuple(n if k == axis else 1 for k in range(len(reader.weight.shape))))


def _is_by_channel(recipe: Recipe | None, layer: Layer) -> bool:
    """Whether a recipe has one value per channel, with more axes than the layer, or with fewer."""
    if recipe is None:
        return True
    padded = (1,) * (len(layer.shape) - len(recipe.shape)) + recipe.shape
    return all(n == 1 for n in padded[1:])


def _channels(reader: Dense | Conv, layer: Layer) -> NDArray[np.int64] | None:
    """Return the channel of the layer that each input channel of a reader shows."""
    ids = reader.source.as_ids()
    channel = np.where(ids < 0, -1, (ids - layer.start) // prod(layer.shape[1:]))
    if isinstance(reader, Dense):
        return channel if channel.min(initial=0) >= 0 else None
    by_channel = channel.reshape(reader.source.shape[0], -1)
    first = by_channel.max(axis=1)
    alike = ((by_channel == first[:, None]) | (by_channel < 0)).all() and first.min(initial=0) >= 0
    return first if alike else None


def _reads_everything(reader: Dense | Conv) -> bool:
    """Whether every output reads all taps of its window, none of them padding."""
    if reader.source.mask is not None:
        return False
    if isinstance(reader, Dense):
        return True
    if reader.transposed:
        return False
    return all(bool((w.coarse_cover.sum(axis=0) == w.kernel).all()) for w in reader.windows)
