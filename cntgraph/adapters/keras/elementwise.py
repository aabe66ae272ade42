"""Elementwise operations: activations, sums, differences and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.builder.broadcasting import for_sample
from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import Tracer
from cntgraph.adapters.keras.values import (
    Arguments,
    CannotFollow,
    Nodes,
    as_array,
    is_constant,
    is_learned,
)
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: Functions of one neuron, or over the neurons of an axis, under the names of PyTorch.
ACTIVATIONS = {
    "Absolute": "abs", "Arccos": "acos", "Arccosh": "acosh", "Arcsin": "asin",
    "Arcsinh": "asinh", "Arctan": "atan", "Arctanh": "atanh", "Cbrt": "cbrt", "Ceil": "ceil",
    "Celu": "celu", "Clip": "clamp", "Cos": "cos", "Cosh": "cosh", "Elu": "elu", "Erf": "erf",
    "Erfc": "erfc", "Erfinv": "erfinv", "Exp": "exp", "Exp2": "exp2", "Expm1": "expm1",
    "Fabs": "abs", "Floor": "floor", "Gelu": "gelu", "HardShrink": "hardshrink",
    "HardSigmoid": "hardsigmoid", "HardSilu": "hardswish", "HardTanh": "hardtanh",
    "LeakyRelu": "leaky_relu", "Log": "log", "Log10": "log10", "Log1p": "log1p",
    "Log2": "log2", "LogSigmoid": "log_sigmoid", "LogSoftmax": "log_softmax", "Mish": "mish",
    "NanToNum": "nan_to_num", "ReLU": "relu", "Reciprocal": "reciprocal", "Relu": "relu",
    "Relu6": "hardtanh", "Round": "round", "Rsqrt": "rsqrt", "Selu": "selu",
    "Sigmoid": "sigmoid", "Sign": "sign", "Silu": "silu", "Sin": "sin", "Sinh": "sinh",
    "SoftShrink": "softshrink", "Softmax": "softmax", "Softplus": "softplus",
    "Softsign": "softsign", "Sparsemax": "sparsemax", "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid", "Sqrt": "sqrt", "Square": "square",
    "Squareplus": "squareplus", "Tan": "tan", "Tanh": "tanh", "TanhShrink": "tanhshrink",
    "Threshold": "threshold", "Trunc": "trunc",
}  # fmt: skip
#: What an additive mask holds where attention may not look.
_MASKED = -1e4


@handles(*ACTIVATIONS)
def activation(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Note an activation function."""
    label = ACTIVATIONS[type(operation).__name__]
    if type(operation).__name__ == "ReLU":
        label = "leaky_relu" if operation.negative_slope else label
        label = "hardtanh" if operation.max_value is not None else label
    x: Nodes = next(iter(a.values()))
    t.builder.activate(t.sample(x), label)
    return x


@handles("Glu")
def gated(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return the first half of the features, gated by the second."""
    first, second = np.split(a["x"].ids, 2, axis=operation.axis)
    t.builder.activate(t.sample(Nodes(second)), "sigmoid")
    return _times(t, operation, Nodes(first), Nodes(second))


# -- sums and differences -------------------------------------------------------------------


@handles("Add")
def add(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return x1 + x2: branches, a bias, or an additive mask."""
    left, right = a["x1"], a["x2"]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return plus(t, operation, [left, right])
    x, other = (left, right) if isinstance(left, Nodes) else (right, left)
    if is_constant(other):
        values = as_array(other)
        if is_mask(values):
            return _masked(t, x, values == 0)
        if not values.any():
            return _wide(x, values.shape)
    return scaled(t, operation, x, None, other)


@handles("Subtract")
def subtract(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return x1 - x2."""
    left, right = a["x1"], a["x2"]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return plus(t, operation, [left, right], (1.0, -1.0))
    if isinstance(left, Nodes):
        if is_constant(right) and is_mask(-as_array(right)):
            return _masked(t, left, as_array(right) == 0)
        return scaled(t, operation, left, None, -t.recipe(right))
    return scaled(t, operation, right, Recipe.constant(-1.0), left, parametric=False)


@handles("Negative")
def negative(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return -x."""
    return scaled(t, operation, a["x"], Recipe.constant(-1.0), None, parametric=False)


def plus(
    t: Tracer, operation: Any, operands: list[Nodes], signs: tuple[float, ...] | None = None
) -> Nodes:
    """Add branches, which broadcast together, with a factor each."""
    ids, shape = _together(t, operands)
    return t.nodes(t.builder.add(t.name(operation), ids, signs), shape)


def is_mask(values: Any) -> bool:
    """Whether an array added to scores masks them: very negative, or nothing at all."""
    low = values <= _MASKED
    return bool(values.ndim and low.any() and (low | (values == 0)).all())


def _masked(t: Tracer, x: Nodes, keep: Any) -> Nodes:
    wide = _wide(x, keep.shape)
    return Nodes(t.builder.mask(wide.ids, np.broadcast_to(keep, wide.shape)), x.dtype)


# -- products -------------------------------------------------------------------------------


@handles("Multiply")
def multiply(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return x1 · x2: a scaling, a gate, or a function of the same neurons (as x · σ(x))."""
    left, right = a["x1"], a["x2"]
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return _times(t, operation, left, right)
    x, other = (left, right) if isinstance(left, Nodes) else (right, left)
    return times(t, operation, x, other)


@handles("Divide", "TrueDivide", "DivideNoNan")
def divide(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Return x1 / x2; a division by neurons is a product with their inverse."""
    left, right = a["x1"], a["x2"]
    if not isinstance(right, Nodes):
        weight = Recipe.constant(1.0) / t.recipe(right)
        return scaled(t, operation, left, weight, None, parametric=is_learned(right))
    t.builder.activate(t.sample(right), "reciprocal")
    if isinstance(left, Nodes):
        return _times(t, operation, left, right)
    return times(t, operation, right, left)


@handles("Power")
def power(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Note a power of neurons, whose exponent is constant."""
    x, exponent = a["x1"], a["x2"]
    if not isinstance(x, Nodes) or not is_constant(exponent):
        raise CannotFollow("a power whose exponent is not constant")
    t.builder.activate(t.sample(x), "pow")
    return _wide(x, as_array(exponent).shape)


def times(t: Tracer, operation: Any, x: Nodes, factor: Any) -> Nodes:
    """Multiply neurons by a constant or a parameter."""
    if is_constant(factor) and (as_array(factor) == 1).all():
        return _wide(x, as_array(factor).shape)
    return scaled(t, operation, x, t.recipe(factor), None, parametric=is_learned(factor))


def _times(t: Tracer, operation: Any, left: Nodes, right: Nodes) -> Nodes:
    (first, second), shape = _together(t, [left, right])
    if first.shape == second.shape and np.array_equal(first, second):
        t.builder.activate(first, "mul")
        return t.nodes(first, shape)
    return t.nodes(t.builder.multiply(t.name(operation), [first, second]), shape)


# -- the greater and the lesser -------------------------------------------------------------


@handles("Maximum", "Minimum", "Fmax", "Fmin")
def extreme(t: Tracer, operation: Any, a: Arguments) -> Nodes:
    """Note a bound; of two branches, structural edges lead from both."""
    left, right = a["x1"], a["x2"]
    mode = "max" if type(operation).__name__ in ("Maximum", "Fmax") else "min"
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return greatest(t, operation, [left, right], mode)
    x, bound = (left, right) if isinstance(left, Nodes) else (right, left)
    values = as_array(bound) if is_constant(bound) else None
    zero = mode == "max" and values is not None and not values.any()
    t.builder.activate(t.sample(x), "relu" if zero else "clamp")
    return _wide(x, bound.shape if values is None else values.shape)


def greatest(t: Tracer, operation: Any, operands: list[Nodes], mode: str) -> Nodes:
    """Return the greatest (least) of branches, neuron by neuron: a pooling over the branches."""
    from cntgraph.adapters.keras.pooling import pool_axes

    ids, shape = _together(t, operands)
    stacked = np.stack(ids, axis=-1)
    made = pool_axes(t, t.name(operation), stacked, [stacked.ndim - 1], mode)
    return t.nodes(made, shape)


# -- what they share ------------------------------------------------------------------------


def scaled(
    t: Tracer, operation: Any, x: Nodes, weight: Any, bias: Any, *, parametric: bool = True,
    name: str | None = None, **options: Any,
) -> Nodes:  # fmt: skip
    """Apply y = w ⊙ x + b to every sample; nodes are repeated where w or b is wider.

    Parameters
    ----------
    t : Tracer
        What the network is built with.
    operation : keras.Operation or None
        The operation, to name it after.
    x : Nodes
        What it reads.
    weight, bias : Recipe, Weights, constant or None
        In the shape of a batch.
    parametric : bool, default True
        Whether the weight is learned.
    name : str, optional
        A name instead of the operation's.
    **options
        Of `Builder.scale`.

    Returns
    -------
    Nodes
    """
    recipes = [r if isinstance(r, Recipe) else t.optional_recipe(r) for r in (weight, bias)]
    shapes = [r.shape for r in recipes if r is not None]
    wide = _wide(x, np.broadcast_shapes(*shapes))
    sample = t.sample(wide)
    fitted = [for_sample(recipe, sample.ndim) for recipe in recipes]
    options["parametric"] = parametric
    made = t.builder.scale(name or t.name(operation), sample, *fitted, **options)
    return t.nodes(made, wide.shape)


def _wide(x: Nodes, shape: tuple[int, ...]) -> Nodes:
    """Repeat nodes to the shape in which they meet a wider operand."""
    wide = np.broadcast_shapes(x.shape, shape)
    return x if wide == tuple(x.shape) else Nodes(np.broadcast_to(x.ids, wide), x.dtype)


def _together(t: Tracer, operands: list[Nodes]) -> tuple[list[Ids], tuple[int, ...]]:
    """Return the samples of operands that broadcast together, and the shape of the result."""
    wide = np.broadcast_arrays(*(x.ids for x in operands))
    return [t.sample(Nodes(ids)) for ids in wide], wide[0].shape
