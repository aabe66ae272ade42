"""Normalisations: by stored statistics, and by statistics of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.values import Data, is_learned
from cntgraph.core.recipe import Recipe


@handles("BatchNormalization")
def batch_norm(t: OnnxTracer, call: Call) -> Any:
    """Normalise as in evaluation, by the running statistics that the model stores."""
    x = call.inputs[0]
    if not isinstance(x, Nodes) or any(isinstance(v, Nodes | Data) for v in call.inputs[1:5]):
        return None
    if call.get("training_mode", 0):
        t.note(call.name, "saved as in training; read as in evaluation")
    gain, shift, mean, variance = (t.recipe(v) for v in call.inputs[1:5])
    scale = gain / (variance + float(call.get("epsilon", 1e-5))).sqrt()
    offset = shift - mean * scale
    shape = (-1,) + (1,) * (len(x.shape) - 2)
    name = name_of(gain, name_of(mean, call.name))
    return t.scale(x, scale.reshape(shape), offset.reshape(shape), name, kind="norm")


@handles("LayerNormalization")
def layer_norm(t: OnnxTracer, call: Call) -> Any:
    """Normalise over the last axes."""
    return data_norm(t, call.inputs[0], call.input(1), call.input(2), call.name, "layer_norm")


@handles("RMSNormalization", "SimplifiedLayerNormalization",
         "com.microsoft.SimplifiedLayerNormalization")  # fmt: skip
def rms_norm(t: OnnxTracer, call: Call) -> Any:
    """Divide by the root of the mean square over the last axes."""
    return data_norm(t, call.inputs[0], call.input(1), None, call.name, "rms_norm")


@handles("InstanceNormalization", "GroupNormalization")
def channel_norm(t: OnnxTracer, call: Call) -> Any:
    """Normalise each channel, or groups of channels, over all positions."""
    x = call.inputs[0]
    if not isinstance(x, Nodes):
        return None
    channels = x.shape[1]
    wide = (channels, *(1 for _ in x.shape[2:]))
    kind = "group_norm" if call.operation == "GroupNormalization" else "instance_norm"
    return data_norm(t, x, call.input(1), call.input(2), call.name, kind,
                     lambda recipe: _by_channel(recipe, channels).reshape(wide))  # fmt: skip


def data_norm(
    t: OnnxTracer,
    x: Any,
    gain: Any,
    shift: Any,
    name: str,
    kind: str,
    shaped: Callable[[Recipe], Recipe] = lambda recipe: recipe,
) -> Nodes | None:
    """Normalise by statistics of the data, and apply a gain and a shift.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    x, gain, shift
        The operation's inputs; gain and shift may be missing.
    name : str
        A name for what it makes.
    kind : str
        What the normalisation is called.
    shaped : callable, optional
        Brings gain and shift into a shape that broadcasts against `x`.

    Returns
    -------
    Nodes or None
    """
    if not isinstance(x, Nodes) or any(isinstance(v, Nodes | Data) for v in (gain, shift)):
        return None
    weight, bias = (
        None if value is None or _is_everywhere(t, value, nothing) else shaped(t.recipe(value))
        for value, nothing in ((gain, 1.0), (shift, 0.0))
    )
    named = bias if weight is None else weight
    return t.normalise(x, weight, bias, name if named is None else name_of(named, name), kind)


def _is_everywhere(t: OnnxTracer, value: Any, number: float) -> bool:
    """Whether a constant or a buffer is one number, so that it need not be looked at."""
    if isinstance(value, Recipe):
        stored = value.parameter
        unnamed = stored is not None and "." not in stored.name and stored.name not in t.declared
        if prod(value.shape) > 1 << 16 or (is_learned(value) and not (unnamed and t.declared)):
            return False
        if not (value.read() == number).all():
            return False
        if stored is not None:
            t.builder.parameter(replace(stored, trainable=False))
        t.builder.skip(value, f"a constant, {number:g} everywhere")
        return True
    return bool((concrete(value) == number).all())


def _by_channel(recipe: Recipe, channels: int) -> Recipe:
    """Return one value a channel where there is one a group."""
    groups = recipe.shape[0]
    if groups == channels:
        return recipe
    return recipe.gather(0, np.arange(channels) // (channels // groups))


# -- fused with what stands before it -----------------------------------------------------------


@handles("com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization")
def skip_norm(t: OnnxTracer, call: Call) -> Any:
    """Add a skip connection and a bias, then normalise; the sum is handed on, too."""
    simplified = "Simplified" in call.operation
    x, skip, gain = call.inputs[:3]
    shift, bias = (None, call.input(3)) if simplified else (call.input(3), call.input(4))
    if not isinstance(x, Nodes):
        return None
    total = arithmetic.add(t, x, skip, f"{call.name}.add")
    if bias is not None:
        total = t.scale(total, None, t.recipe(bias), f"{call.name}.bias")
    kind = "rms_norm" if simplified else "layer_norm"
    made = data_norm(t, total, gain, shift, call.name, kind)
    return None if made is None else [made, None, None, total]
