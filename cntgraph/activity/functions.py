"""Activation functions as numbers, with their derivatives: those whose name says all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values
from cntgraph.network.activations import ACTIVATIONS, WITHOUT_COEFFICIENTS

#: A function of values of any shape, value by value.
Elementwise = Callable[[Values], NDArray[np.floating]]


@dataclass(frozen=True)
class Function:
    """A function of single values, and its derivative.

    Parameters
    ----------
    value : callable
        Of an array, value by value.
    slope : callable, optional
        Its derivative, of the same array; by default by central differences.
    """

    value: Elementwise
    slope: Elementwise | None = None

    def derivative(self, x: Values) -> Values:
        """Return its derivative at values of any shape."""
        if self.slope is not None:
            return np.asarray(self.slope(x), dtype=np.float64)
        step = np.cbrt(np.finfo(np.float64).eps) * np.maximum(np.abs(x), 1.0)
        above, below = x + step, x - step
        return np.asarray((self.value(above) - self.value(below)) / (above - below))


def known_functions(given: Mapping[str, Elementwise] | None = None) -> dict[str, Function]:
    """Return the functions whose values are known, by name.

    Parameters
    ----------
    given : mapping of str to callable, optional
        What the caller knows of a network's functions, by the names its layers have for them:
        ``{"leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x)}``.

    Returns
    -------
    dict of str to Function

    Examples
    --------
    >>> known_functions()["relu"].value(np.array([-1.0, 2.0]))
    array([0., 2.])
    >>> "leaky_relu" in known_functions()  # its slope below zero is not in its name
    False
    """
    return _KNOWN | {name: Function(value) for name, value in (given or {}).items()}


def reason_unknown(name: str) -> str:
    """Return why the values of a function are not known from its name."""
    if name in ACTIVATIONS:
        return f"{name!r} ({ACTIVATIONS[name]}) is a family of functions, or of several neurons"
    return f"{name!r} is a function of the model's own"


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _erf(x: Values) -> Values:
    from scipy.special import erf

    return np.asarray(erf(x))


def _erfinv(x: Values) -> Values:
    from scipy.special import erfinv

    return np.asarray(erfinv(x))


def _softplus(x: Values) -> Values:
    return np.logaddexp(0.0, x)


def _mish_slope(x: Values) -> Values:
    inner = np.tanh(_softplus(x))
    return inner + x * (1.0 - inner**2) * sigmoid(x)


_KNOWN = {
    "": Function(lambda x: x, np.ones_like),
    "abs": Function(np.abs, np.sign),
    "relu": Function(lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(np.float64)),
    "sign": Function(np.sign, np.zeros_like),
    "ceil": Function(np.ceil, np.zeros_like),
    "floor": Function(np.floor, np.zeros_like),
    "round": Function(np.round, np.zeros_like),
    "trunc": Function(np.trunc, np.zeros_like),
    "frac": Function(lambda x: x - np.trunc(x), np.ones_like),
    "log_sigmoid": Function(lambda x: -_softplus(-x), lambda x: sigmoid(-x)),
    "mish": Function(lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "sigmoid": Function(sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softsign": Function(lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "tanhshrink": Function(lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2),
    "acos": Function(np.arccos, lambda x: -1 / np.sqrt(1 - x**2)),
    "acosh": Function(np.arccosh, lambda x: 1 / np.sqrt(x**2 - 1)),
    "asin": Function(np.arcsin, lambda x: 1 / np.sqrt(1 - x**2)),
    "asinh": Function(np.arcsinh, lambda x: 1 / np.sqrt(1 + x**2)),
    "atan": Function(np.arctan, lambda x: 1 / (1 + x**2)),
    "atanh": Function(np.arctanh, lambda x: 1 / (1 - x**2)),
    "cbrt": Function(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "cos": Function(np.cos, lambda x: -np.sin(x)),
    "cosh": Function(np.cosh, np.sinh),
    "erf": Function(_erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    "erfc": Function(lambda x: 1.0 - _erf(x), lambda x: -2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    "erfinv": Function(_erfinv, lambda x: np.sqrt(np.pi) / 2 * np.exp(_erfinv(x) ** 2)),
    "exp": Function(np.exp, np.exp),
    "exp2": Function(np.exp2, lambda x: np.log(2.0) * np.exp2(x)),
    "expm1": Function(np.expm1, np.exp),
    "log": Function(np.log, lambda x: 1 / x),
    "log10": Function(np.log10, lambda x: 1 / (np.log(10.0) * x)),
    "log1p": Function(np.log1p, lambda x: 1 / (1 + x)),
    "log2": Function(np.log2, lambda x: 1 / (np.log(2.0) * x)),
    "reciprocal": Function(np.reciprocal, lambda x: -1 / x**2),
    "rsqrt": Function(lambda x: 1 / np.sqrt(x), lambda x: -0.5 / np.sqrt(x) ** 3),
    "sin": Function(np.sin, np.cos),
    "sinh": Function(np.sinh, np.cosh),
    "sqrt": Function(np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "tan": Function(np.tan, lambda x: 1 + np.tan(x) ** 2),
    "tanh": Function(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
assert _KNOWN.keys() >= WITHOUT_COEFFICIENTS
