"""Normalisations: by stored statistics, and by statistics of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing import normalisation
from cntgraph.adapters.tracing.values import is_learned
from cntgraph.core.recipe import Recipe


@handles("BatchNormalization")
def batch_norm(t: OnnxTracer, call: Call) -> Any:
    """Normalise as in evaluation, by the running statistics that the model stores."""
    if call.get("training_mode", 0):
        t.note(call.name, "saved as in training; read as in evaluation")
    x, gain, shift, *statistics = call.inputs[:5]
    epsilon = call.get("epsilon", 1e-5)
    return normalisation.batch_norm(t, x, statistics, epsilon, gain, shift, call.name)


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
    kind = "group_norm" if call.operation == "GroupNormalization" else "instance_norm"
    return data_norm(t, call.inputs[0], call.input(1), call.input(2), call.name, kind, [1])


@handles("MeanVarianceNormalization")
def standardise(t: OnnxTracer, call: Call) -> Any:
    """Normalise over any axes, without gain or shift."""
    kind = "layer_norm" if 1 in call.get("axes", (0, 2, 3)) else "instance_norm"
    return data_norm(t, call.inputs[0], None, None, call.name, kind)


def data_norm(
    t: OnnxTracer, x: Any, gain: Any, shift: Any, name: str, kind: str,
    axes: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """Normalise by statistics of the data, and apply a gain and a shift; see `normalise`."""
    gain, shift = _unless(t, gain, 1.0), _unless(t, shift, 0.0)
    return normalisation.normalise(t, x, gain, shift, name, kind, axes)


def _unless(t: OnnxTracer, value: Any, number: float) -> Any:
    """Return a gain or shift, unless an exporter stored a constant that changes nothing."""
    if not isinstance(value, Recipe) or prod(value.shape) > 1 << 16:
        return value
    stored = value.parameter
    unnamed = stored is not None and "." not in stored.name and stored.name not in t.declared
    if (is_learned(value) and not (unnamed and t.declared)) or not (value.read() == number).all():
        return value
    if stored is not None:
        t.builder.parameter(replace(stored, trainable=False))
    t.builder.skip(value, f"a constant, {number:g} everywhere")
    return None
