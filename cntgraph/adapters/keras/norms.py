"""Normalizations: by stored statistics, or by statistics of the data."""

from __future__ import annotations

from typing import Any

import keras

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, as_array
from cntgraph.adapters.tracing import normalization
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import maximum

#: What Keras never divides by less than.
_EPSILON = 1e-7
#: Normalizations by statistics of the data, and what their gain and shift are called.
_BY_DATA = {
    "LayerNorm": ("layer_norm", "gamma", "beta"), "RMSNorm": ("rms_norm", "scale", ""),
    "Normalize": ("unit_norm", "", ""),
}  # fmt: skip


@handles("BatchNorm", of_weights=True)
def batch_norm(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Normalize by the stored statistics."""
    return normalization.batch_norm(
        t, a["x"], (a["mean"], a["variance"]), operation.epsilon, a["scale"], a["offset"],
        t.name(operation), axis=operation.axis,
    )  # fmt: skip


@handles(*_BY_DATA, of_weights=True)
def norm(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a layer norm, one without centering, or vectors of length one."""
    kind, gain, shift = _BY_DATA[type(operation).__name__]
    kind = "rms_norm" if getattr(operation, "rms_scaling", False) else kind
    axes = [operation.axis] if isinstance(operation.axis, int) else operation.axis
    over = None if kind == "unit_norm" else axes
    return normalization.normalize(
        t, a["x"], a.get(gain), a.get(shift), t.name(operation), kind, axes, over=over,
        epsilon=operation.epsilon,
    )  # fmt: skip


@handles_layer("GroupNormalization")
def group_norm(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a group norm: gain and shift belong to channels."""
    return normalization.normalize(
        t, a["inputs"], layer.gamma, layer.beta, t.name(), "group_norm", [layer.axis]
    )


# -- preprocessing ----------------------------------------------------------------------------


@handles_layer("Normalization")
def standardize(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return (x - mean) / deviation of the data that the layer was adapted to, or the inverse."""
    x, adapted = a["inputs"], layer.input_mean is None
    if adapted:
        t.skip([layer.count], "a counter that evaluation does not use")
    mean, variance = (
        t.recipe(value).reshape(tuple(layer._broadcast_shape))
        for value in ((layer.adapt_mean, layer.adapt_variance) if adapted
                      else (layer.mean, layer.variance))
    )  # fmt: skip
    deviation = maximum(variance.sqrt(), _EPSILON)
    if layer.invert:
        return t.scale(x, deviation, mean, t.name(), parametric=False)
    weight = Recipe.constant(1.0) / deviation
    return t.scale(x, weight, -(mean / deviation), t.name(), parametric=False)


@handles_layer("Rescaling")
def rescale(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return a constant times x, plus a constant."""
    scale, offset = as_array(layer.scale), as_array(layer.offset)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
    shift = t.recipe(offset) if offset.any() else None
    return t.scale(a["inputs"], t.recipe(scale), shift, t.name(), parametric=False)
