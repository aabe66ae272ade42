"""The operations of a recipe that go value by value, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cntgraph.core.types import Array


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))


def _erf(x: Array) -> Array:
    from scipy.special import erf

    return np.asarray(erf(x))


UNARY: dict[str, Callable[[Any], Any]] = {
    "absolute": np.absolute, "ceil": np.ceil, "cos": np.cos, "erf": _erf, "exp": np.exp,
    "expm1": np.expm1, "floor": np.floor, "log": np.log, "log1p": np.log1p,
    "negative": np.negative, "round": np.rint, "sigmoid": _sigmoid, "sign": np.sign, "sin": np.sin,
    "softplus": lambda x: np.logaddexp(0.0, x), "sqrt": np.sqrt, "square": np.square,
    "tanh": np.tanh,
}  # fmt: skip
#: Two operands, which broadcast together; a comparison is 1 or 0.
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "divide": np.divide, "equal": lambda a, b: np.equal(a, b).astype(np.float64),
    "less": lambda a, b: np.less(a, b).astype(np.float64), "maximum": np.maximum,
    "minimum": np.minimum, "multiply": np.multiply, "power": np.power, "subtract": np.subtract,
}  # fmt: skip
#: A choice, and what is taken where it is not zero and where it is.
CHOICE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "where": lambda choice, one, other: np.where(choice != 0, one, other)
}
#: All of them, by name; the operands broadcast together.
ELEMENTWISE: dict[str, Callable[..., Any]] = {**UNARY, **BINARY, **CHOICE}
