"""Functions of one neuron: noted on the neurons, whose layer stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, weights_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import FUNCTIONS, clamped
from cntgraph.core.recipe.functions import power as power_of_weights
from cntgraph.network.activations import clamp_name, power_name

#: Settings that do not change what a function is, at the precision of weights.
_IDLE = frozenset("dtype half_to_float threshold inplace accuracy training".split())


def activate(
    t: Tracer, x: Any, name: str, coefficients: Iterable[Any] = (), **settings: Any
) -> Any:
    """Note a function of neurons, and that its coefficients are no weights.

    Parameters
    ----------
    x : Neurons
        Of weights a function is a recipe; anything else is not followed.
    name : str
        Of `network.activations`; nothing is noted for an empty one.
    coefficients : iterable
        Weights and constants that say which function of its family it is.
    **settings
        The same by name, as far as they are known by one; of weights they must be.
    """
    coefficients, recipe = list(coefficients), weights_of(x)
    if recipe is not None and not any(isinstance(v, Neurons | Data) for v in coefficients):
        return _of_weights(name, recipe, settings) if name else recipe
    of_several = any(isinstance(value, Neurons | Data) for value in coefficients)
    if of_several or not isinstance(x, Neurons):
        raise NotFollowed(f"a coefficient of the activation {name} depends on the input")
    for found in filter(None, map(weights_of, coefficients)):
        t.builder.coefficient(found, name)
    return t.activate(x, name) if name else x


def _of_weights(name: str, x: Recipe, settings: dict[str, Any]) -> Recipe:
    given = {key: v for key, v in settings.items() if v is not None and key not in _IDLE}
    try:
        return FUNCTIONS[name](x, **given)
    except (KeyError, TypeError) as error:  # settings that it does not have change what it is
        raise NotFollowed(f"{name} of weights with the settings {given}") from error


def clamp(t: Tracer, x: Any, low: Any, high: Any) -> Any:
    """Note bounds, None where there is none: of 0 and nothing a relu, of -1 and 1 a hardtanh."""
    bounds = [bound for bound in (low, high) if bound is not None]
    recipe = weights_of(x)
    if recipe is not None:
        return clamped(recipe, t.optional_recipe(low), t.optional_recipe(high))
    name = clamp_name(*(None if bound is None else t.number(bound) for bound in (low, high)))
    return activate(t, x, name, bounds)


def power(t: Tracer, x: Any, exponent: Any) -> Any:
    """Note a power of neurons, as wide as its exponent; of weights it is a recipe."""
    number, recipe = t.number(exponent), weights_of(x)
    if recipe is None:
        return t.widened(activate(t, x, power_name(number), [exponent]), np.shape(exponent))
    return (recipe.binary("power", t.recipe(exponent)) if np.isnan(number)
            else power_of_weights(recipe, number))  # fmt: skip
