"""Names of functions of one neuron, by what they yield.

Libraries write one activation in many ways; on a grid of numbers they all yield the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import FUNCTIONS
from cntgraph.core.types import Values
from cntgraph.network.activations import OF_SEVERAL, clamp_name

#: Where functions are compared; zero, and the places where pieces meet, are among them.
GRID: Values = np.linspace(-9.0, 9.0, 289)
_TOLERANCE = 2e-5


def values_of(name: str, x: Values, **settings: Any) -> Values:
    """Return what a function yields on numbers, as it does on weights."""
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name](Recipe.constant(x), **settings).read())


@cache
def _on_grid() -> tuple[list[str], Values]:
    """Return the functions of one neuron, their coefficients as usual, and what they yield."""
    names = [name for name in FUNCTIONS if name not in OF_SEVERAL]
    by_tanh = values_of("gelu", GRID, approximate="tanh")
    return [*names, "gelu"], np.stack([*(values_of(name, GRID) for name in names), by_tanh])


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
    names, references = _on_grid()
    if (found := _same(y, references)).any():
        return names[found.argmax()]
    if not np.isfinite(y).all():
        return None
    return next((name for name, reference in _of_a_family(y) if _same(y, reference)), None)


def _same(y: Values, references: Values) -> NDArray[np.bool_]:
    """Whether it is what a reference holds, of each of them if there are several."""
    same = np.isclose(y, references, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    return np.asarray(same.all(axis=-1))


def _of_a_family(y: Values) -> Iterator[tuple[str, Values]]:
    """Yield the members of families with a coefficient that might be it."""
    low, high = y.min(), y.max()
    yield clamp_name(low, high), np.clip(GRID, low, high)
    yield "leaky_relu", values_of("leaky_relu", GRID, negative_slope=y[0] / GRID[0])
    yield "elu", values_of("elu", GRID, alpha=y[0] / np.expm1(GRID[0]))
    with np.errstate(all="ignore"):
        at = len(y) // 2 + 1  # beside zero
        slope = np.log(y[at] / (GRID[at] - y[at])) / GRID[at]
        yield "silu", GRID * values_of("sigmoid", slope * GRID)
        yield "celu", values_of("celu", GRID, alpha=-low)
        middle = y[len(y) // 2]  # log(2) / beta at zero
        yield "softplus", values_of("softplus", GRID, beta=np.log(2.0) / middle)
        power = np.log(abs(y[-1])) / np.log(GRID[-1])
        whole = float(np.round(power)) if np.isfinite(power) else 0.0
        if whole > 2:
            yield "pow", GRID**whole
