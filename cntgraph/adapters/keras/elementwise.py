"""Elementwise layers and operations: activations, sums, differences and products."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cntgraph.adapters.keras.handlers import handles, handles_layer
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.masks import hides, take_away
from cntgraph.network.activations import activation_name

#: Functions of one neuron, or over the neurons of an axis.
_ACTIVATIONS = tuple(
    "Absolute Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Celu Cos Cosh Elu Erf Erfc "
    "Erfinv Exp Exp2 Expm1 Fabs Floor Gelu HardShrink HardSigmoid HardSilu HardTanh LeakyRelu Log "
    "Log10 Log1p Log2 LogSigmoid LogSoftmax Mish Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid "
    "Sign Silu Sin Sinh SoftShrink Softmax Softplus Softsign Sparsemax SparsePlus SparseSigmoid "
    "Sqrt Square Squareplus Tan Tanh TanhShrink Threshold Trunc".split()
)
#: What an operation has beside its operand.
_SETTINGS = ("alpha", "approximate", "axis", "decimals", "negative_slope")


@handles(*_ACTIVATIONS, of_weights=True)
def activation(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Note an activation function."""
    x, *coefficients = a.values()
    settings = {key: getattr(operation, key, None) for key in _SETTINGS}
    name = activation_name(type(operation).__name__)
    return activations.activate(t, x, name, coefficients, **settings)


@handles("ReLU")
def relu(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Note a ReLU that may leak, begin elsewhere, or have a bound."""
    x, low = a["x"], 0.0 if not operation.threshold and not operation.negative_slope else None
    if low is None:
        x = activations.activate(t, x, "leaky_relu" if operation.negative_slope else "threshold")
    bounds = low, operation.max_value
    return x if bounds == (None, None) else activations.clamp(t, x, *bounds)


@handles("Clip", of_weights=True)
def clip(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Note bounds."""
    return arithmetic.clamp(t, a["x"], operation.x_min, operation.x_max, t.name(operation))


@handles_layer("Activation")
def activation_layer(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Note an activation function."""
    return t.apply(layer.activation, a["inputs"])


@handles_layer("PReLU")
def prelu(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Note a ReLU whose slope is learned."""
    return activations.activate(t, a["inputs"], "prelu", [layer.alpha])


@handles_layer("Softmax")
def softmax(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Note a softmax, of what a constant mask leaves."""
    x, mask = a["inputs"], t.array(a.get("mask"))
    return t.activate(x if mask is None else take_away(t, x, mask.astype(bool)), "softmax")


@handles_layer("Masking")
def masking(t: KerasTracer, layer: Any, a: Arguments) -> Any:
    """Return what comes in: which steps are masked is a matter of the data."""
    return a["inputs"]


@handles("Glu")
def gated(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the first half of the features, gated by the second."""
    return arithmetic.gated_halves(t, a["x"], operation.axis, t.name(operation))


# -- arithmetic -----------------------------------------------------------------------------

#: Comparisons, and what these are called here.
_COMPARISONS = {
    "Equal": "eq", "Greater": "gt", "GreaterEqual": "ge", "Less": "lt", "LessEqual": "le",
    "NotEqual": "ne",
}  # fmt: skip
#: What two operands become.
_OF_TWO: dict[str, Callable[..., Any]] = {
    "Add": arithmetic.add,
    "Subtract": partial(arithmetic.add, sign=-1.0),
    "Multiply": arithmetic.multiply,
    **dict.fromkeys(("Divide", "TrueDivide", "DivideNoNan"), arithmetic.divide),
    "Power": lambda t, x, exponent, name: activations.power(t, x, exponent),
    **{kind: partial(arithmetic.compare, how=how) for kind, how in _COMPARISONS.items()},
}
#: Which of two operands is taken.
_EXTREMES = {"Maximum": "max", "Fmax": "max", "Minimum": "min", "Fmin": "min"}


@handles(*_OF_TWO, of_weights=True)
def of_two(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a sum, a difference, a product, a quotient, a power or a comparison."""
    kind = type(operation).__name__
    made = _OF_TWO[kind](t, a["x1"], a["x2"], name=t.name(operation))
    added = t.array(a["x2"]) if kind in ("Add", "Subtract") else None
    if isinstance(made, Nodes) and added is not None:
        made.hides |= hides(-added if kind == "Subtract" else added)
    return made


@handles(*_EXTREMES, of_weights=True)
def extreme(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the larger or the smaller of two."""
    mode = _EXTREMES[type(operation).__name__]
    return arithmetic.extreme(t, [a["x1"], a["x2"]], mode, t.name(operation))


@handles("Negative", of_weights=True)
def negative(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return -x."""
    return arithmetic.negate(t, a["x"], t.name(operation))
