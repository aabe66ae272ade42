"""Convolutions in any number of dimensions: grouped, depthwise, dilated, transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing.images import Images
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.over_axes import convolved
from cntgraph.network.blocks import Window


def convolve(
    t: Tracer, x: Any, weight: Recipe, bias: Recipe | None, windows: Sequence[Window],
    name: str, *, groups: int = 1, transposed: bool = False,
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
    windows : sequence of Window
        One an axis of positions.
    groups : int, default 1
        Groups of channels that are convolved by themselves.
    """
    if not isinstance(x, Neurons):
        recipe = t.recipe(x)
        rank = len(windows)
        of_images = recipe.reshape((-1, *x.shape[-rank - 1 :]))
        places = [_places(window, n, transposed=transposed)
                  for window, n in zip(windows, x.shape[-rank:], strict=True)]  # fmt: skip
        found = convolved(of_images, weight, places, groups, transposed=transposed)
        found = found if bias is None else found + bias.reshape((-1, *(1,) * rank))
        return found.reshape((*x.shape[: -rank - 1], *found.shape[1:]))
    images = Images.of(t, x, len(windows))
    if images.number > 1:
        windows = (Window(images.number, images.number, 1), *windows)
        weight = weight.reshape((*weight.shape[:2], 1, *weight.shape[2:]))
    made = t.builder.conv(
        name, images.ids, weight, bias, tuple(windows), groups=groups, transposed=transposed
    )
    return t.neurons(images.spread(made))


def _places(window: Window, n: int, *, transposed: bool) -> NDArray[np.int64]:
    """Return which position each tap of each position of the result reads; n is the padding."""
    fine, coarse, tap = window.pairs()
    made, read = (fine, coarse) if transposed else (coarse, fine)
    places = np.full((window.fine if transposed else window.coarse, window.kernel), n)
    places[made, tap] = read
    return places
