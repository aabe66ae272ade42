"""Elementwise operations: activations, sums, differences and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes, as_array, is_constant
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed

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


@handles(*ACTIVATIONS)
def activation(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Note an activation function."""
    label = ACTIVATIONS[type(operation).__name__]
    if type(operation).__name__ == "ReLU":
        label = "leaky_relu" if operation.negative_slope else label
        label = "hardtanh" if operation.max_value is not None else label
    x: Nodes = next(iter(a.values()))
    t.builder.activate(t.sample(x), label)
    return x


@handles("Glu")
def gated(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the first half of the features, gated by the second."""
    first, second = np.split(a["x"].ids, 2, axis=operation.axis)
    return arithmetic.gated_halves(t, Nodes(first), Nodes(second), t.name(operation))


# -- arithmetic -----------------------------------------------------------------------------


@handles("Add")
def add(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return x1 + x2."""
    return arithmetic.add(t, a["x1"], a["x2"], t.name(operation))


@handles("Subtract")
def subtract(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return x1 - x2."""
    return arithmetic.add(t, a["x1"], a["x2"], t.name(operation), -1.0)


@handles("Negative")
def negative(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return -x."""
    return arithmetic.negate(t, a["x"], t.name(operation))


@handles("Multiply")
def multiply(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return x1 · x2."""
    return arithmetic.multiply(t, a["x1"], a["x2"], t.name(operation))


@handles("Divide", "TrueDivide", "DivideNoNan")
def divide(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return x1 / x2."""
    return arithmetic.divide(t, a["x1"], a["x2"], t.name(operation))


@handles("Maximum", "Fmax")
def maximum(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the larger of two."""
    return arithmetic.extreme(t, [a["x1"], a["x2"]], "max", t.name(operation))


@handles("Minimum", "Fmin")
def minimum(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the smaller of two."""
    return arithmetic.extreme(t, [a["x1"], a["x2"]], "min", t.name(operation))


@handles("Power")
def power(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Note a power of neurons, whose exponent is constant."""
    x, exponent = a["x1"], a["x2"]
    if not isinstance(x, Nodes) or not is_constant(exponent):
        raise NotFollowed("a power whose exponent is not constant")
    return t.widened(t.activate(x, "pow"), as_array(exponent).shape)
