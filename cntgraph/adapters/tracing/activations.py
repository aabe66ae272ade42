"""Functions of one neuron: noted on the neurons, whose layer stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cntgraph.adapters.tracing import weight_arithmetic as weights
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, weights_of
from cntgraph.core.recipe import Recipe
from cntgraph.network.activations import clamp_name, power_name

#: Functions of which weights are recipes, too.
_OF_WEIGHTS: dict[str, Callable[[Recipe], Recipe]] = {
    "abs": abs, "pow": Recipe.square, "reciprocal": weights.reciprocal, "rsqrt": weights.rsqrt,
    "sqrt": Recipe.sqrt,
}  # fmt: skip


def activate(t: Tracer, x: Any, name: str, coefficients: Iterable[Any] = ()) -> Any:
    """Note a function of neurons, and that its coefficients are no weights.

    Parameters
    ----------
    x : Neurons
        Of weights some functions are recipes; anything else is not followed.
    name : str
        Of `network.activations`; nothing is noted for an empty one.
    coefficients : iterable
        Weights and constants that say which function of its family it is.
    """
    coefficients, recipe = list(coefficients), weights_of(x)
    if recipe is not None and name in _OF_WEIGHTS and not coefficients:
        return _OF_WEIGHTS[name](recipe)
    of_several = any(isinstance(value, Neurons | Data) for value in coefficients)
    if of_several or not isinstance(x, Neurons):
        raise NotFollowed(f"a coefficient of the activation {name} depends on the input")
    t.skip(coefficients, f"a coefficient of the activation {name}, not a weight")
    return t.activate(x, name) if name else x


def clamp(t: Tracer, x: Any, low: Any, high: Any) -> Any:
    """Note bounds, None where there is none: of 0 and nothing a relu, of -1 and 1 a hardtanh."""
    bounds = [bound for bound in (low, high) if bound is not None]
    name = clamp_name(*(None if bound is None else _number(t, bound) for bound in (low, high)))
    return activate(t, x, name, bounds)


def power(t: Tracer, x: Any, exponent: Any) -> Any:
    """Note a power of neurons; of weights, some are recipes."""
    number, recipe = _number(t, exponent), weights_of(x)
    found = None if recipe is None else weights.power(recipe, number)
    return activate(t, x, power_name(number), [exponent]) if found is None else found


def _number(t: Tracer, value: Any) -> float:
    """Return the one number that a constant is; of anything else not a number."""
    array = t.array(value)
    if array is None or not array.size or (array != array.flat[0]).any():
        return float("nan")
    return float(array.flat[0])
