"""Names of functions of one neuron, by what they yield.

Libraries write one activation in many ways; on a grid of numbers they all yield the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cntgraph.adapters.jax.numeric import plain
from cntgraph.core.types import Values
from cntgraph.network.activations import clamp_name

#: Where functions are compared; zero, and the places where pieces meet, are among them.
GRID: Values = np.linspace(-9.0, 9.0, 289)
_TOLERANCE = 2e-5


_sigmoid, _erf = partial(plain, "logistic"), partial(plain, "erf")


def _softplus(x: Values) -> Values:
    return np.logaddexp(0.0, x)


def _selu(x: Values) -> Values:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


#: Activations without a coefficient, named as the other adapters do.
PLAIN: dict[str, Callable[[Values], Values]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1.0 + _erf(x / np.sqrt(2.0))),
    "softplus": _softplus,
    "selu": _selu,
    "hardsigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "hardswish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "log_sigmoid": lambda x: -_softplus(-x),
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "squareplus": lambda x: 0.5 * (x + np.sqrt(x * x + 4.0)),
    "pow": np.square,
    "reciprocal": lambda x: 1.0 / x,
}
# Of the primitives, "log" and others behind it are defined for some numbers only.
PLAIN |= {name: partial(plain, name) for name in
          "abs sign exp expm1 erf sin cos log sqrt rsqrt log1p".split()}  # fmt: skip
_GELU_BY_TANH = 0.5 * GRID * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (GRID + 0.044715 * GRID**3)))


def function_name(y: Values) -> str | None:
    """Return the name of the activation that yields `y` on the grid, if it has one.

    Parameters
    ----------
    y : ndarray of float64, shape of `GRID`

    Examples
    --------
    >>> function_name(np.maximum(GRID, 0.0)), function_name(np.clip(GRID, 0.0, 6.0))
    ('relu', 'hardtanh')
    >>> function_name(GRID**2 + np.sin(GRID)) is None
    True
    """
    with np.errstate(all="ignore"):
        names = (name for name, function in PLAIN.items() if _same(y, function(GRID)))
        found = next(names, "gelu" if _same(y, _GELU_BY_TANH) else None)
    if found is not None or not np.isfinite(y).all():
        return found
    return next((name for name, reference in _of_a_family(y) if _same(y, reference)), None)


def _same(y: Values, reference: Values) -> bool:
    return np.allclose(y, reference, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)


def _of_a_family(y: Values) -> Iterator[tuple[str, Values]]:
    """Yield the members of families with a coefficient that might be it."""
    low, high = float(y.min()), float(y.max())
    yield clamp_name(low, high), np.clip(GRID, low, high)
    yield "leaky_relu", np.where(GRID > 0, GRID, GRID * y[0] / GRID[0])
    alpha = y[0] / np.expm1(GRID[0])
    yield "elu", np.where(GRID > 0, GRID, alpha * np.expm1(GRID))
    with np.errstate(all="ignore"):
        at = len(y) // 2 + 1  # beside zero
        slope = np.log(y[at] / (GRID[at] - y[at])) / GRID[at]
        yield "silu", GRID * _sigmoid(slope * GRID)
        yield "celu", np.where(GRID > 0, GRID, -low * np.expm1(GRID / -low))
        middle = y[len(y) // 2]  # log(2) / beta at zero
        beta = np.log(2.0) / middle
        yield "softplus", np.logaddexp(0.0, beta * GRID) / beta
        power = np.log(abs(y[-1])) / np.log(GRID[-1])
        whole = float(np.round(power)) if np.isfinite(power) else 0.0
        if whole > 2:
            yield "pow", GRID**whole
