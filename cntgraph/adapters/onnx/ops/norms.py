"""Normalizations: by stored statistics, and by statistics of the data."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, shape_of
from cntgraph.adapters.tracing import normalization
from cntgraph.adapters.tracing.values import is_learned
from cntgraph.core.recipe import Recipe


@handles("BatchNormalization", of_weights=True)
def batch_norm(t: OnnxTracer, call: Call) -> Any:
    """Normalize as in evaluation, by the running statistics that the model stores."""
    if call.get("training_mode", 0):
        t.note(call.name, "saved as in training; read as in evaluation")
    x, gain, shift, *statistics = call.inputs[:5]
    epsilon = call.get("epsilon", 1e-5)
    return normalization.batch_norm(t, x, statistics, epsilon, gain, shift, call.name)


#: By statistics of the data: over the last axes, or over all positions of one or more channels.
_BY_DATA = {
    "LayerNormalization": "layer_norm", "RMSNormalization": "rms_norm",
    "SimplifiedLayerNormalization": "rms_norm", "InstanceNormalization": "instance_norm",
    "com.microsoft.SimplifiedLayerNormalization": "rms_norm", "GroupNormalization": "group_norm",
}  # fmt: skip


@handles(*_BY_DATA, of_weights=True)
def by_data(t: OnnxTracer, call: Call) -> Any:
    """Normalize by statistics of the data, and apply a gain and a shift."""
    kind = _BY_DATA[call.operation]
    gain, shift = _unless(t, call.input(1), 1.0), _unless(t, call.input(2), 0.0)
    axes = [1] if kind in ("instance_norm", "group_norm") else None
    rank = len(shape_of(call.inputs[0]))
    over = range(2 if axes else call.get("axis", -1) % max(rank, 1), rank)
    return normalization.normalize(
        t, call.inputs[0], gain, shift, call.name, kind, axes, over=over,
        epsilon=call.get("epsilon", 1e-5), groups=call.get("num_groups", 1),
    )  # fmt: skip


@handles("MeanVarianceNormalization")
def standardize(t: OnnxTracer, call: Call) -> Any:
    """Normalize over any axes, without gain or shift."""
    kind = "layer_norm" if 1 in call.get("axes", (0, 2, 3)) else "instance_norm"
    return normalization.normalize(t, call.inputs[0], None, None, call.name, kind)


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
