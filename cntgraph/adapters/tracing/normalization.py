"""Normalizations: by statistics that a model stores, or by those of the data.

The first is a scaling, y = scale ⊙ x + offset. The second is noted on the neurons, as an
activation, and its gain and shift are a scaling that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, weights_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.over_axes import normalized


def by_stored(
    mean: Recipe, variance: Recipe, epsilon: float, gain: Recipe | None, shift: Recipe | None
) -> tuple[Recipe, Recipe]:
    """Return scale and offset of (x - mean) / √(variance + ε) · gain + shift."""
    deviation = (variance + float(epsilon)).sqrt()
    scale = (Recipe.constant(1.0) if gain is None else gain) / deviation
    offset = -(mean * scale) if shift is None else shift - mean * scale
    return scale, offset


def batch_norm(
    t: Tracer, x: Any, statistics: Sequence[Any], epsilon: float, gain: Any, shift: Any,
    name: str, *, axis: int = 1,
) -> Any:  # fmt: skip
    """Normalize as in evaluation, by the mean and variance of each channel that are stored.

    Parameters
    ----------
    name : str
        Name of the operation, if its weights have none.
    axis : int, default 1
        That of the channels.
    """
    reason = "its statistics are those of a batch, as in training"
    x = _normalized(t, x, (*statistics, gain, shift), reason)
    mean, variance = (t.recipe(value) for value in statistics)
    weight, bias = (None if value is None else t.recipe(value) for value in (gain, shift))
    scale, offset = (
        along(recipe, x, [axis]) for recipe in by_stored(mean, variance, epsilon, weight, bias)
    )
    recipe = weights_of(x)
    if recipe is not None:
        return recipe * scale + offset
    return t.scale(x, scale, offset, _name(t, name, (gain, mean)), kind="norm")


def normalize(
    t: Tracer, x: Any, gain: Any, shift: Any, name: str, kind: str,
    axes: Sequence[int] | None = None, *, over: Sequence[int] | None = None,
    epsilon: float | None = None, groups: int = 1,
) -> Any:  # fmt: skip
    """Normalize by statistics of the data, then apply a gain and a shift.

    Parameters
    ----------
    gain, shift : weights, constant or None
        A gain of one and a shift of zero everywhere are none.
    name : str
        Name of the operation, if its weights have none.
    kind : str
        Name of the normalization, of `network.activations`.
    axes : sequence of int, optional
        Along which gain and shift lie; without them, they broadcast against `x`.
    over : sequence of int, optional
        The axes that statistics are taken over. Without them, those of weights are not followed.
    epsilon : float, optional
        What is added to the mean square; a small number by default.
    groups : int, default 1
        Of how many parts of the second axis statistics are taken by themselves.
    """
    x = _normalized(t, x, (gain, shift), f"the gain or shift of its {kind} depends on the input")
    weight, bias = (
        None if value is None or t.number(value) == nothing else t.recipe(value)
        for value, nothing in ((gain, 1.0), (shift, 0.0))
    )
    if axes is not None:
        weight, bias = (None if r is None else along(r, x, axes) for r in (weight, bias))
    recipe = weights_of(x)
    if recipe is not None:
        recipe = _of_weights(recipe, over, epsilon, groups, centered=kind != "rms_norm")
        recipe = recipe if weight is None else recipe * weight
        return recipe if bias is None else recipe + bias
    t.samples(x)  # those of a batch must not be mixed
    made = t.activate(x, kind)
    if weight is None and bias is None:
        return made
    name = _name(t, name, (gain, shift))
    return t.scale(made, weight, bias, name, kind="norm", foldable=False)


def _of_weights(
    x: Recipe, over: Sequence[int] | None, epsilon: float | None, groups: int, *, centered: bool
) -> Recipe:
    """Normalize weights by statistics of their own."""
    if over is None:
        raise NotFollowed("it normalizes weights over axes that are not known")
    epsilon = float(np.finfo(np.float32).eps) if epsilon is None else epsilon
    if groups == 1:
        return normalized(x, over, epsilon, centered=centered)
    parts = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    rank = len(parts.shape)
    return normalized(parts, range(2, rank), epsilon, centered=centered).reshape(x.shape)


def along(recipe: Recipe, x: Neurons, axes: Sequence[int]) -> Recipe:
    """Return one value per entry of some axes, or per group of them, as it broadcasts against x."""
    kept = {axis % len(x.shape) for axis in axes}
    shape = tuple(n if axis in kept else 1 for axis, n in enumerate(x.shape))
    if len(recipe.shape) == 1 and recipe.shape[0] < prod(shape):
        n, each = prod(shape), prod(shape) // max(recipe.shape[0], 1)
        recipe = recipe.gather(0, np.arange(n) // each)
    return recipe.reshape(shape)


def _normalized(t: Tracer, x: Any, values: Sequence[Any], reason: str) -> Any:
    """Return what is normalized, neurons or weights, where the other values are no neurons."""
    if isinstance(x, Data) or any(isinstance(value, Neurons | Data) for value in values):
        raise NotFollowed(reason)
    return x if isinstance(x, Neurons) else t.recipe(x)


def _name(t: Tracer, name: str, values: Sequence[Any]) -> str:
    """Name an operation after the first of its weights that has a name."""
    for recipe in reversed([r for r in map(weights_of, values) if r is not None]):
        name = t.name_of(recipe, name)
    return name
