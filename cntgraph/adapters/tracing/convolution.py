"""Convolutions in any number of dimensions: grouped, depthwise, dilated, transposed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing.images import Images
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.adapters.tracing.windows import Sizes, Sliding
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.over_axes import convolved
from cntgraph.network.blocks import Window


def convolve(
    t: Tracer, x: Any, weight: Recipe, bias: Recipe | None, sliding: Sliding, name: str, *,
    groups: int = 1, transposed: bool = False, extra: int | Sizes = 0,
) -> Any:  # fmt: skip
    """Return a convolution.

    Parameters
    ----------
    x : Neurons, weights or constant
        Of shape (images, channels, *positions), or (channels, *positions).
    weight : Recipe
        Of shape (out, in / groups, *taps); transposed, (in, out / groups, *taps).
    bias : Recipe or None
        One value per channel.
    sliding : Sliding
        How its windows slide over the axes of positions.
    name : str
        Name of the operation, if its weight has none.
    groups : int, default 1
        Groups of channels that are convolved by themselves.
    extra : int or sequence of int, default 0
        Positions that a transposed convolution makes behind, besides those its kernel reaches.
    """
    rank = len(sliding.kernel)
    spatial = x.shape[-rank:]
    windows = sliding.transposed(spatial, extra) if transposed else sliding.windows(spatial)
    if not isinstance(x, Neurons):
        of_images = t.recipe(x).reshape((-1, *x.shape[-rank - 1 :]))
        places = [_places(window, n, transposed=transposed)
                  for window, n in zip(windows, spatial, strict=True)]  # fmt: skip
        found = convolved(of_images, weight, places, groups, transposed=transposed)
        found = found if bias is None else found + bias.reshape((-1, *(1,) * rank))
        return found.reshape((*x.shape[: -rank - 1], *found.shape[1:]))
    images, name = Images.of(t, x, rank), t.name_of(weight, name)
    if images.number > 1:
        windows = (Window(images.number, images.number, 1), *windows)
        weight = weight.reshape((*weight.shape[:2], 1, *weight.shape[2:]))
    made = t.builder.conv(
        name, images.ids, weight, bias, windows, groups=groups, transposed=transposed
    )
    return t.neurons(images.spread(made))


def _places(window: Window, n: int, *, transposed: bool) -> NDArray[np.int64]:
    """Return which position each tap of each position of the result reads; n is the padding."""
    fine, coarse, tap = window.pairs()
    made, read = (fine, coarse) if transposed else (coarse, fine)
    places = np.full((window.fine if transposed else window.coarse, window.kernel), n)
    places[made, tap] = read
    return places
