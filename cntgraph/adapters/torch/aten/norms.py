"""Normalisations: by statistics that the model stores, or by those of the data."""

from __future__ import annotations

from cntgraph.adapters.builder.broadcasting import for_sample
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.core.recipe import Recipe


@handles(
    "batch_norm",
    "native_batch_norm",
    "native_batch_norm_legit",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "native_batch_norm_legit_no_training",
)
def batch_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return (x - mean) / √(variance + eps) · gain + shift, with the running statistics."""
    x, mean, variance = a["input"], a.get("running_mean"), a.get("running_var")
    if mean is None or variance is None:
        return _by_channel(t, a, name, "instance_norm")
    if a.get("training"):
        return _by_channel(t, a, name, "batch_norm")
    eps = a["eps"] if "eps" in a else a["epsilon"]
    deviation = (t.recipe(variance) + float(eps)).sqrt()
    gain, shift = t.optional_recipe(a.get("weight")), t.optional_recipe(a.get("bias"))
    scale = (Recipe.constant(1.0) if gain is None else gain) / deviation
    offset = -(t.recipe(mean) * scale)
    offset = offset if shift is None else offset + shift
    name = t.name_of(t.recipe(mean), name)
    turned, shape = _channels_first(t, x)
    made = t.scale(turned, scale.reshape(shape), offset.reshape(shape), name, kind="norm")
    return None if made is None else _turned_back(made, x)


@handles("group_norm", "native_group_norm", "instance_norm")
def group_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Normalise by statistics of the data, one gain a channel."""
    if not a.get("use_input_stats", True):
        return batch_norm(t, {**a, "training": False}, name)
    kind = "instance_norm" if "use_input_stats" in a else "group_norm"
    return _by_channel(t, a, name, kind)


@handles("layer_norm", "native_layer_norm", "rms_norm", "fused_rms_norm")
def layer_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Normalise by statistics of the data, over the last axes; one gain an entry of them."""
    kind = "layer_norm" if "bias" in a else "rms_norm"
    gain, shift = t.optional_recipe(a.get("weight")), t.optional_recipe(a.get("bias"))
    return _normalise(t, a["input"], gain, shift, name, kind)


def _by_channel(t: AtenTracer, a: Arguments, name: str, kind: str) -> Nodes | None:
    x: Nodes = a["input"]
    turned, shape = _channels_first(t, x)
    gain, shift = (
        None if a.get(key) is None else t.recipe(a[key]).reshape(shape)
        for key in ("weight", "bias")
    )
    made = _normalise(t, turned, gain, shift, name, kind)
    return _turned_back(made, x)


def _normalise(
    t: AtenTracer, x: Nodes, gain: Recipe | None, shift: Recipe | None, name: str, kind: str
) -> Nodes:
    sample = t.sample(x)
    gain, shift = (for_sample(recipe, sample.ndim) for recipe in (gain, shift))
    recipe = shift if gain is None else gain
    name = name if recipe is None else t.name_of(recipe, name)
    return t.batched(t.builder.normalise(name, sample, gain, shift, kind), x.shape)


def _channels_first(t: AtenTracer, x: Nodes) -> tuple[Nodes, tuple[int, ...]]:
    """Return nodes with frames that were folded into the batch as positions, one sample.

    Also the shape in which one value a channel broadcasts against them.
    """
    images = t.first(x.tensor)
    if len(images) == 1:
        return x, (-1,) + (1,) * (len(x.shape) - 2)
    return Nodes(images.transpose(0, 1).unsqueeze(0)), (-1,) + (1,) * (len(x.shape) - 1)


def _turned_back(made: Nodes, x: Nodes) -> Nodes:
    if made.shape == x.shape:
        return made
    images = made.tensor[0].transpose(0, 1)
    return Nodes(images.repeat(x.shape[0] // len(images), *(1,) * (len(x.shape) - 1)))
