"""Convolutions in any number of dimensions: grouped, depthwise, dilated, transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cntgraph.adapters.tracing.images import Images
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window


def convolve(
    t: Tracer, x: Neurons, weight: Recipe, bias: Recipe | None, windows: Sequence[Window],
    name: str, *, groups: int = 1, transposed: bool = False,
) -> Any:  # fmt: skip
    """Return a convolution.

    Parameters
    ----------
    x : Neurons
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
    images = Images.of(t, x, len(windows))
    if images.number > 1:
        windows = (Window(images.number, images.number, 1), *windows)
        weight = weight.reshape((*weight.shape[:2], 1, *weight.shape[2:]))
    made = t.builder.conv(
        name, images.ids, weight, bias, tuple(windows), groups=groups, transposed=transposed
    )
    return t.neurons(images.spread(made))
