"""Normalisations: by statistics that the model stores, or by those of the data."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments
from cntgraph.adapters.tracing import normalisation


@handles(
    "batch_norm",
    "native_batch_norm",
    "native_batch_norm_legit",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "native_batch_norm_legit_no_training",
)
def batch_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalise by the running statistics, or by those of the data where there are none."""
    statistics = [a.get("running_mean"), a.get("running_var")]
    if any(value is None for value in statistics):
        return _by_channel(t, a, name, "instance_norm")
    if a.get("training"):
        return _by_channel(t, a, name, "batch_norm")
    epsilon = a["eps"] if "eps" in a else a["epsilon"]
    gain, shift = a.get("weight"), a.get("bias")
    return normalisation.batch_norm(t, a["input"], statistics, epsilon, gain, shift, name)


@handles("group_norm", "native_group_norm", "instance_norm")
def group_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalise by statistics of the data, one gain per channel."""
    if not a.get("use_input_stats", True):
        return batch_norm(t, {**a, "training": False}, name)
    return _by_channel(t, a, name, "instance_norm" if "use_input_stats" in a else "group_norm")


@handles("layer_norm", "native_layer_norm", "rms_norm", "fused_rms_norm")
def layer_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalise by statistics of the data, over the last axes; one gain per entry of them."""
    kind = "layer_norm" if "bias" in a else "rms_norm"
    return normalisation.normalise(t, a["input"], a.get("weight"), a.get("bias"), name, kind)


def _by_channel(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    gain, shift = a.get("weight"), a.get("bias")
    return normalisation.normalise(t, a["input"], gain, shift, name, kind, [1])
