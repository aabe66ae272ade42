"""Elementwise operations: activations, sums and products of branches."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.masks import additive_mask, without_hidden
from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Derived, Nodes, is_learned
from cntgraph.core.recipe import Recipe

#: Elementwise functions of one neuron, and normalisations over the outputs.
ACTIVATIONS = tuple(
    "abs acos acosh asin asinh atan atanh ceil celu clamp clamp_max clamp_min cos cosh elu "
    "erf erfc exp exp2 expm1 floor frac gelu hardshrink hardsigmoid hardswish hardtanh "
    "leaky_relu log log10 log1p log2 log_sigmoid log_softmax logit mish pow prelu reciprocal "
    "relu round rrelu rsqrt selu sigmoid silu sin sinh softmax softplus softshrink "
    "softsign sqrt square tan tanh tanhshrink threshold trunc".split()
)
#: The same under other names.
_SYNONYMS = {
    "relu6": "hardtanh", "prelu_kernel": "prelu", "safe_softmax": "softmax",
    "rrelu_with_noise": "rrelu",
    "rrelu_with_noise_functional": "rrelu", "fake_quantize_per_tensor_affine": "fake_quantize",
    "fake_quantize_per_channel_affine": "fake_quantize", "special_erf": "erf",
}  # fmt: skip


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


for _name, _label in {**{name: name for name in ACTIVATIONS}, **_SYNONYMS}.items():
    handles(_name)(_activation(_label))


# -- sums and differences -------------------------------------------------------------------------


@handles("add")
def add(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x + alpha · y."""
    return plus(t, a["self"], a["other"], float(a.get("alpha", 1)), name)


@handles("sub")
def subtract(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x - alpha · y."""
    return plus(t, a["self"], a["other"], -float(a.get("alpha", 1)), name)


@handles("rsub")
def reverse_subtract(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return y - alpha · x."""
    sign = -float(a.get("alpha", 1))
    return plus(t, a["other"], a["self"], sign, name)


@handles("neg")
def negative(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return -x."""
    return t.scale(a["self"], Recipe.constant(-1.0), None, name, parametric=False)


def plus(t: AtenTracer, left: Any, right: Any, sign: float, name: str) -> Nodes | None:
    """Return left + sign · right, where at least one is nodes."""
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        left, right = _broadcast(left, right)
        samples = [t.sample(left), t.sample(right)]
        signs = None if sign == 1.0 else (1.0, sign)
        return t.batched(t.builder.add(name, samples, signs), left.shape)
    if isinstance(left, Derived) or isinstance(right, Derived):
        return _beside(t, left, right, name, "added to it")
    if isinstance(left, Nodes):
        return _shift(t, left, right, sign, name)
    if sign == 1.0:
        return _shift(t, right, left, 1.0, name)
    return t.scale(right, Recipe.constant(sign), t.recipe(left), name, parametric=False)


def _shift(t: AtenTracer, x: Nodes, constant: Any, sign: float, name: str) -> Nodes | None:
    """Return x + sign · c: a bias, or a mask that takes nodes away."""
    keep = additive_mask(t, constant) if sign == 1.0 else None
    if keep is not None:
        shape = torch.broadcast_shapes(x.shape, tuple(keep.shape))
        return Nodes(x.ids.expand(shape).masked_fill(~keep, -1))
    recipe = t.recipe(constant)
    x = _wide(x, recipe.shape)
    made = t.scale(x, None, recipe if sign == 1.0 else recipe * sign, name)
    return made if made is None else without_hidden(t, made, recipe)


def _beside(t: AtenTracer, left: Any, right: Any, name: str, how: str) -> Nodes:
    """Pass on neurons beside which something stands that depends on the input."""
    x, other = (left, right) if isinstance(left, Nodes) else (right, left)
    t.note(name, f"what depends on the input, but is no neuron, is {how}: nothing is masked")
    return _wide(x, other.shape)


def _wide(x: Nodes, shape: tuple[int, ...]) -> Nodes:
    wide = torch.broadcast_shapes(x.shape, shape)
    return x if wide == x.shape else Nodes(x.ids.expand(wide))


# -- products -----------------------------------------------------------------------------------


@handles("mul")
def multiply(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x · y: a scaling, a gate, or a function of the same neurons (as x · σ(x))."""
    left, right = a["self"], a["other"]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        left, right = _broadcast(left, right)
        if torch.equal(left.ids, right.ids):
            t.builder.activate(t.sample(left), "mul")
            return left
        samples = [t.sample(left), t.sample(right)]
        return t.batched(t.builder.multiply(name, samples), left.shape)
    if isinstance(left, Derived) or isinstance(right, Derived):
        return _beside(t, left, right, name, "multiplied with it")
    nodes, factor = (left, right) if isinstance(left, Nodes) else (right, left)
    recipe = t.recipe(factor)
    wide = _wide(nodes, recipe.shape)
    return t.scale(wide, recipe, None, name, parametric=is_learned(factor))


@handles("div")
def divide(t: AtenTracer, a: Arguments, name: str) -> Nodes | None:
    """Return x / y: a scaling by 1/c, or a gate by 1/y."""
    left, right = a["self"], a["other"]
    if a.get("rounding_mode") is not None:
        return None
    if isinstance(left, Derived) or isinstance(right, Derived):
        return _beside(t, left, right, name, "a divisor of it")
    if isinstance(right, Nodes):
        inverse = Nodes(right.ids)
        t.builder.activate(t.sample(inverse), "reciprocal")
        if isinstance(left, Nodes):
            return multiply(t, {"self": left, "other": inverse}, name)
        recipe = t.recipe(left)
        wide = _wide(inverse, recipe.shape)
        return t.scale(wide, recipe, None, name, parametric=is_learned(left))
    weight = Recipe.constant(1.0) / t.recipe(right)
    return t.scale(_wide(left, weight.shape), weight, None, name, parametric=is_learned(right))


@handles("glu")
def gated_linear_unit(t: AtenTracer, a: Arguments, name: str) -> Nodes:
    """Return the first half of an axis, gated by a sigmoid of the second half."""
    x, dim = a["self"], int(a.get("dim", -1))
    first, second = (Nodes(part) for part in x.ids.chunk(2, dim))
    t.builder.activate(t.sample(second), "sigmoid")
    made = t.builder.multiply(name, [t.sample(first), t.sample(second)])
    return t.batched(made, first.shape)


def _broadcast(left: Nodes, right: Nodes) -> tuple[Nodes, Nodes]:
    a, b = torch.broadcast_tensors(left.ids, right.ids)
    return Nodes(a), Nodes(b)
