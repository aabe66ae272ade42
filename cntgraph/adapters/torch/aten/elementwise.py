"""Elementwise operations: activations, normalisations, sums and products of branches."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.tracer import AtenTracer, handles
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, is_learned, name_of
from cntgraph.recipe import Recipe

#: Elementwise functions of one neuron, and normalisations over the outputs.
ACTIVATIONS = tuple(
    "abs acos asin atan celu clamp clamp_max clamp_min cos cosh elu erf exp exp2 expm1 gelu "
    "hardshrink hardsigmoid hardswish hardtanh leaky_relu log log10 log1p log2 log_sigmoid "
    "log_softmax logit mish pow prelu prelu_kernel reciprocal relu relu6 rrelu "
    "rrelu_with_noise rsqrt safe_softmax selu sigmoid silu sin sinh softmax softplus softshrink "
    "softsign sqrt square tan tanh tanhshrink threshold".split()
)


def _activation(label: str) -> Any:
    def activate(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
        nodes, *others = a.values()
        if not isinstance(nodes, Nodes) or any(isinstance(value, Nodes) for value in others):
            return None
        for value in others:
            if isinstance(value, Recipe):
                t.builder.skip(value, f"a coefficient of the activation {label}, not a weight")
        t.builder.activate(t.sample(nodes), label)
        return nodes

    return activate


for _name in ACTIVATIONS:
    handles(_name)(_activation(_name.removeprefix("safe_").removesuffix("_kernel")))


# -- normalisations -----------------------------------------------------------------------------


@handles(
    "batch_norm",
    "native_batch_norm",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "native_batch_norm_legit_no_training",
)
def batch_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return (x - mean) / √(variance + eps) · gain + shift, with the running statistics."""
    x, mean, variance = a["input"], a.get("running_mean"), a.get("running_var")
    if a.get("training") or mean is None or variance is None:
        return None
    eps = a["eps"] if "eps" in a else a["epsilon"]
    deviation = (t.recipe(variance) + float(eps)).sqrt()
    gain, shift = t.optional_recipe(a.get("weight")), t.optional_recipe(a.get("bias"))
    scale = (Recipe.constant(1.0) if gain is None else gain) / deviation
    offset = -(t.recipe(mean) * scale)
    offset = offset if shift is None else offset + shift
    shape = _by_channel(x)
    name = name_of(t.recipe(mean), name)
    return t.scale(x, scale.reshape(shape), offset.reshape(shape), name, kind="norm")


@handles("layer_norm", "native_layer_norm", "rms_norm")
def layer_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Keep the gain of a layer norm as a block: its statistics depend on the data."""
    gain, shift = t.optional_recipe(a.get("weight")), t.optional_recipe(a.get("bias"))
    return _data_norm(t, a["input"], gain, shift, name)


@handles("group_norm", "native_group_norm", "instance_norm")
def group_norm(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Keep the gain of a group or instance norm, one a channel, as a block."""
    shape = _by_channel(a["input"])
    found = (t.optional_recipe(a.get(key)) for key in ("weight", "bias"))
    gain, shift = (None if recipe is None else recipe.reshape(shape) for recipe in found)
    return _data_norm(t, a["input"], gain, shift, name)


def _data_norm(
    t: AtenTracer, x: Any, gain: Recipe | None, shift: Recipe | None, name: str
) -> Nodes | None:
    if not isinstance(x, Nodes):
        return None
    recipe = shift if gain is None else gain
    if recipe is None:
        # What depends on the data stands between what comes before and what follows.
        t.builder.activate(t.sample(x), name.rpartition(".")[2])
        return x
    return t.scale(x, gain, shift, name_of(recipe, name), kind="norm", foldable=False)


def _by_channel(x: Nodes) -> tuple[int, ...]:
    """Return the shape in which one value a channel broadcasts against a sample."""
    return (-1,) + (1,) * (len(x.shape) - 2)


# -- sums and differences -------------------------------------------------------------------------


@handles("add")
def add(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x + alpha · y."""
    return _plus(t, a["self"], a["other"], float(a.get("alpha", 1)), name)


@handles("sub")
def subtract(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x - alpha · y."""
    return _plus(t, a["self"], a["other"], -float(a.get("alpha", 1)), name)


@handles("rsub")
def reverse_subtract(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return y - alpha · x."""
    sign = -float(a.get("alpha", 1))
    return _plus(t, a["other"], a["self"], sign, name)


@handles("neg")
def negative(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return -x."""
    return t.scale(a["self"], Recipe.constant(-1.0), None, name, parametric=False)


def _plus(t: AtenTracer, left: Any, right: Any, sign: float, name: str) -> Nodes | None:
    """Return left + sign · right, where at least one is nodes."""
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        left, right = _broadcast(left, right)
        samples = [t.sample(left), t.sample(right)]
        signs = None if sign == 1.0 else (1.0, sign)
        return t.batched(t.builder.add(name, samples, signs), left.shape)
    if isinstance(left, Nodes):
        constant = t.recipe(right)
        return t.scale(left, None, constant if sign == 1.0 else constant * sign, name)
    weight = None if sign == 1.0 else Recipe.constant(sign)
    return t.scale(right, weight, t.recipe(left), name, parametric=False)


# -- products -----------------------------------------------------------------------------------


@handles("mul")
def multiply(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x · y: a scaling, a gate, or a function of the same neurons (as x · σ(x))."""
    left, right = a["self"], a["other"]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        left, right = _broadcast(left, right)
        if torch.equal(left.ids, right.ids):
            t.builder.activate(t.sample(left), name.rpartition(".")[2])
            return left
        samples = [t.sample(left), t.sample(right)]
        return t.batched(t.builder.multiply(name, samples), left.shape)
    nodes, factor = (left, right) if isinstance(left, Nodes) else (right, left)
    return t.scale(nodes, t.recipe(factor), None, name, parametric=is_learned(factor))


@handles("div")
def divide(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x / c for a constant or a parameter c."""
    left, right = a["self"], a["other"]
    if a.get("rounding_mode") is not None or isinstance(right, Nodes):
        return None
    weight = Recipe.constant(1.0) / t.recipe(right)
    return t.scale(left, weight, None, name, parametric=is_learned(right))


def _broadcast(left: Nodes, right: Nodes) -> tuple[Nodes, Nodes]:
    a, b = torch.broadcast_tensors(left.ids, right.ids)
    return Nodes(a), Nodes(b)
