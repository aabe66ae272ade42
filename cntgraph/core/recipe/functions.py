"""Functions by name, value by value or along an axis, composed of the operations of a recipe.

What a function has besides its operand are settings by name, as most frameworks call them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log, pi, sqrt
from operator import add, mul, sub, truediv
from typing import Any

from cntgraph.core.recipe.recipe import Recipe

#: The largest whole number that a weight is raised to by products.
_LARGEST_POWER = 4
_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772


def maximum(x: Recipe, other: Recipe | float) -> Recipe:
    """Return the larger of both."""
    return x.binary("maximum", other)


def minimum(x: Recipe, other: Recipe | float) -> Recipe:
    """Return the smaller of both."""
    return x.binary("minimum", other)


def reciprocal(x: Recipe) -> Recipe:
    """Return 1 / x."""
    return Recipe.constant(1.0) / x


def power(x: Recipe, exponent: float) -> Recipe:
    """Return x to a power.

    Examples
    --------
    >>> power(Recipe.constant(2.0), -3).read()
    array(0.125)
    """
    if exponent < 0:
        return reciprocal(power(x, -exponent))
    if exponent == 0.5:
        return x.sqrt()
    if exponent == 2:
        return x.square()
    if exponent not in range(1, _LARGEST_POWER + 1):
        return x.binary("power", exponent)
    made = x
    for _ in range(int(exponent) - 1):
        made = made * x
    return made


def _relu(x: Recipe) -> Recipe:
    return maximum(x, 0.0)


def _leaky(x: Recipe, negative_slope: float = 0.01, alpha: float | None = None) -> Recipe:
    slope = negative_slope if alpha is None else alpha
    return maximum(x, 0.0) + minimum(x, 0.0) * float(slope)


def _elu(x: Recipe, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Recipe:
    below = (minimum(x, 0.0) * float(input_scale)).unary("expm1") * float(alpha)
    return (maximum(x, 0.0) + below) * float(scale)


def _gelu(x: Recipe, approximate: Any = False) -> Recipe:
    if approximate in ("tanh", True, 1):
        inner = ((x.square() * x * 0.044715) + x) * sqrt(2.0 / pi)
        return x * 0.5 * (inner.unary("tanh") + 1.0)
    return x * 0.5 * ((x / sqrt(2.0)).unary("erf") + 1.0)


def _hard_sigmoid(x: Recipe, alpha: float = 1 / 6, beta: float = 0.5) -> Recipe:
    return minimum(maximum(x * float(alpha) + float(beta), 0.0), 1.0)


def _softplus(x: Recipe, beta: float = 1.0) -> Recipe:
    return (x * float(beta)).unary("softplus") / float(beta)


def _squareplus(x: Recipe, b: float = 4.0) -> Recipe:
    return (x + (x.square() + float(b)).sqrt()) * 0.5


def _round(x: Recipe, decimals: int = 0) -> Recipe:
    return (x * 10.0**decimals).unary("round") / 10.0**decimals if decimals else x.unary("round")


def _trunc(x: Recipe) -> Recipe:
    return x.unary("sign") * abs(x).unary("floor")


def stepped(x: Recipe, step: Recipe, zero: Recipe, low: float, high: float) -> Recipe:
    """Return the nearest multiples of a step, of whole numbers within bounds.

    Parameters
    ----------
    step, zero : Recipe
        What one whole number stands for, and which of them stands for zero.
    low, high : float
        The least and the largest whole number.

    Examples
    --------
    >>> x = Recipe.constant([0.26, 9.0])
    >>> stepped(x, Recipe.constant(0.1), Recipe.constant(0.0), -8, 7).read()
    array([0.3, 0.7])
    """
    whole = (x / step).unary("round") + zero
    return (minimum(maximum(whole, float(low)), float(high)) - zero) * step


def softmax(x: Recipe, axis: int = -1, dim: int | None = None) -> Recipe:
    """Return exp(x) over its sum along an axis."""
    axes = ((axis if dim is None else dim) % len(x.shape),)
    powers = (x - x.max(axes)).unary("exp")
    return powers / powers.sum(axes)


def _log_softmax(x: Recipe, axis: int = -1, dim: int | None = None) -> Recipe:
    axes = ((axis if dim is None else dim) % len(x.shape),)
    below = x - x.max(axes)
    return below - below.unary("exp").sum(axes).unary("log")


def _unary(*names: str) -> dict[str, Callable[..., Recipe]]:
    def function(name: str) -> Callable[..., Recipe]:
        return lambda x: x.unary(name)

    return {name: function(name) for name in names}


#: What each function is made of.
FUNCTIONS: dict[str, Callable[..., Recipe]] = {
    **_unary("ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "sigmoid",
             "sign", "sin", "sqrt", "tanh"),
    "abs": abs, "pow": Recipe.square, "round": _round, "reciprocal": reciprocal,
    "rsqrt": lambda x: reciprocal(x.sqrt()), "exp2": lambda x: (x * log(2.0)).unary("exp"),
    "log2": lambda x: x.unary("log") / log(2.0), "log10": lambda x: x.unary("log") / log(10.0),
    "tan": lambda x: x.unary("sin") / x.unary("cos"), "trunc": _trunc,
    "frac": lambda x: x - _trunc(x), "erfc": lambda x: Recipe.constant(1.0) - x.unary("erf"),
    "sinh": lambda x: (x.unary("expm1") - (-x).unary("expm1")) * 0.5,
    "cosh": lambda x: (x.unary("exp") + (-x).unary("exp")) * 0.5,
    "relu": _relu, "leaky_relu": _leaky, "elu": _elu, "gelu": _gelu, "softplus": _softplus,
    "celu": lambda x, alpha=1.0: _elu(x, alpha, 1.0, 1.0 / alpha),
    "selu": partial(_elu, alpha=_ALPHA, scale=_SCALE), "silu": lambda x: x * x.unary("sigmoid"),
    "mish": lambda x: x * x.unary("softplus").unary("tanh"),
    "hardsigmoid": _hard_sigmoid, "hardswish": lambda x: x * _hard_sigmoid(x),
    "log_sigmoid": lambda x: -(-x).unary("softplus"),
    "softsign": lambda x: x / (abs(x) + 1.0), "squareplus": _squareplus,
    "tanhshrink": lambda x: x - x.unary("tanh"),
    "softmax": softmax, "log_softmax": _log_softmax,
}  # fmt: skip


def clamped(x: Recipe, low: Recipe | None, high: Recipe | None) -> Recipe:
    """Return x between bounds; None where there is none."""
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


# -- of two operands ----------------------------------------------------------------------------


def _not(x: Recipe) -> Recipe:
    return Recipe.constant(1.0) - x


def less(x: Recipe, other: Recipe) -> Recipe:
    """Return 1 where x is less, 0 elsewhere."""
    return x.binary("less", other)


def equal(x: Recipe, other: Recipe) -> Recipe:
    """Return 1 where both are equal, 0 elsewhere."""
    return x.binary("equal", other)


#: Functions of two operands, which broadcast together.
OF_TWO: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "add": add, "sub": sub, "mul": mul, "div": truediv, "max": maximum, "min": minimum,
    "pow": lambda x, y: x.binary("power", y), "eq": equal, "ne": lambda x, y: _not(equal(x, y)),
    "lt": less, "gt": lambda x, y: less(y, x), "ge": lambda x, y: _not(less(x, y)),
    "le": lambda x, y: _not(less(y, x)),
}  # fmt: skip
