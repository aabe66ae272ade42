"""Normalisations: by stored statistics, or by statistics of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, Weights, as_array
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe

#: What Keras never divides by less than.
_EPSILON = 1e-7


@handles("BatchNorm")
def batch_norm(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return (x - mean) / √(variance + eps) · gain + shift, with the stored statistics."""
    x, mean, variance = a["x"], a["mean"], a["variance"]
    if isinstance(mean, Nodes) or isinstance(variance, Nodes):
        raise NotFollowed("its statistics are those of a batch, as in training")
    mean = t.recipe(mean)
    deviation = (t.recipe(variance) + float(operation.epsilon)).sqrt()
    gain, shift = t.optional_recipe(a["scale"]), t.optional_recipe(a["offset"])
    scale = (Recipe.constant(1.0) if gain is None else gain) / deviation
    offset = -(mean * scale) if shift is None else shift - mean * scale
    shape = _along(x, [operation.axis])
    return t.scale(x, scale.reshape(shape), offset.reshape(shape), t.name(operation), kind="norm")


@handles("LayerNorm")
def layer_norm(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return a layer norm, or one without centring."""
    kind = "rms_norm" if operation.rms_scaling else "layer_norm"
    return _normalised(t, t.name(operation), a["x"], a["gamma"], a["beta"], operation.axis, kind)


@handles("RMSNorm")
def rms_norm(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return a root-mean-square norm."""
    name = t.name(operation)
    return _normalised(t, name, a["x"], a["scale"], None, operation.axis, "rms_norm")


@handles("Normalize")
def unit_norm(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return vectors of length one."""
    return _normalised(t, t.name(operation), a["x"], None, None, operation.axis, "unit_norm")


@handles_layer("GroupNormalization")
def group_norm(t: KerasTracer, layer: Any, a: Arguments) -> Nodes:
    """Return a group norm: gain and shift belong to channels."""
    gain, shift = layer.gamma, layer.beta
    return _normalised(t, t.name(), a["inputs"], gain, shift, layer.axis, "group_norm")


def _normalised(
    t: KerasTracer, name: str, x: Nodes, gain: Any, shift: Any, axis: Any, kind: str
) -> Nodes:
    """Normalise by statistics of the data, then apply gain and shift along some axes."""
    sample = t.sample(x)
    shape = _along(x, [axis] if isinstance(axis, int) else axis)
    recipes = [t.optional_recipe(value) for value in (gain, shift)]
    scale, offset = (_broadcast(recipe, x, shape) for recipe in recipes)
    return t.nodes(t.builder.normalise(name, sample, scale, offset, kind), x.shape)


def _along(x: Nodes, axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape in which one value an entry of some axes broadcasts against nodes."""
    kept = {int(axis) % x.ids.ndim for axis in axes or ()}
    return tuple(n if axis in kept else 1 for axis, n in enumerate(x.ids.shape))


def _broadcast(recipe: Recipe | None, x: Nodes, shape: tuple[int, ...]) -> Recipe | None:
    """Return a recipe in a shape that broadcasts against nodes, without leading axes of one."""
    if recipe is None:
        return None
    full = recipe if len(recipe.shape) == x.ids.ndim else recipe.reshape(shape)
    first = next((k for k, n in enumerate(full.shape) if n != 1), len(full.shape) - 1)
    return full.reshape(full.shape[first:])


# -- preprocessing ----------------------------------------------------------------------------


@handles_layer("Normalization")
def standardise(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return (x - mean) / deviation of the data that the layer was adapted to, or the inverse."""
    x, shape = a["inputs"], tuple(layer._broadcast_shape)
    if layer.input_mean is None:
        mean, variance = layer.adapt_mean.recipe, layer.adapt_variance.recipe
        if isinstance(layer.count, Weights):
            t.builder.skip(layer.count.recipe, "a counter that evaluation does not use")
    else:
        mean, variance = (
            Recipe.constant(as_array(value)) for value in (layer.mean, layer.variance)
        )
    mean, variance = mean.reshape(shape), variance.reshape(shape)
    deviation = _at_least(variance.sqrt(), _EPSILON)
    if layer.invert:
        return t.scale(x, deviation, mean, t.name(), parametric=False)
    weight = Recipe.constant(1.0) / deviation
    return t.scale(x, weight, -(mean / deviation), t.name(), parametric=False)


def _at_least(recipe: Recipe, least: float) -> Recipe:
    """Return the greater of a recipe and a number: (x + c + |x - c|) / 2."""
    return (recipe + least + abs(recipe - least)) * 0.5


@handles_layer("Rescaling")
def rescale(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a constant times x, plus a constant."""
    scale, offset = as_array(layer.scale), as_array(layer.offset)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
    bias = None if not offset.any() else offset
    shift = None if bias is None else t.recipe(bias)
    return t.scale(a["inputs"], t.recipe(scale), shift, t.name(), parametric=False)
