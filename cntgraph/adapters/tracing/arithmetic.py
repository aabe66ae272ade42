"""Arithmetic: sums, products, quotients, extremes and choices.

What meets neurons decides what an operation means: with other neurons it is a layer that both
lead to; with weights or a constant a scaling or a shift; with a mask it takes neurons away; with
what depends on the input without being a neuron it is passed over, and noted. What is made of
weights alone is weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add as add_recipes
from typing import Any

import numpy as np

from cntgraph.adapters.tracing import activations
from cntgraph.adapters.tracing.masks import pass_beside, split_mask, split_weights, take_away
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tokens import bounded, choice_among, is_whole, shifted
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import (
    Data,
    Neurons,
    are_weights,
    is_learned,
    is_mask,
    is_noise,
    is_tokens,
    weights_of,
)
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import OF_TWO, maximum, minimum
from cntgraph.network.blocks import Identity

_NOISE = "random numbers: they are no nodes, and count as zero"

# -- sums -------------------------------------------------------------------------------------


def add(t: Tracer, left: Any, right: Any, name: str, sign: float = 1.0) -> Any:
    """Return left + sign · right.

    Parameters
    ----------
    sign : float, default 1.0
        What the right operand is multiplied by; -1 for a difference.
    """
    if are_weights(left, right):
        first, second = (_summand(t, value) for value in (left, right))
        second = second if abs(sign) == 1.0 else second * abs(sign)
        return first + second if sign > 0 else first - second
    if is_noise(left) or is_noise(right):
        return _beside_noise(t, left, right, name, sign)
    if isinstance(left, Neurons) and isinstance(right, Neurons):
        if abs(sign) != 1.0:  # a factor that may fold into what makes the branch
            right = multiply(t, right, Recipe.constant(abs(sign)), f"{name}.factor")
        return add_branches(t, [left, right], name, None if sign > 0 else (1.0, -1.0))
    x, other = (left, right) if isinstance(left, Neurons) else (right, left)
    if is_tokens(x) and is_whole(t, other) and (x is left or sign > 0):
        return shifted(t, x, other, int(sign) if x is left else 1)
    if isinstance(other, Data):
        if other.source == "neurons":
            raise NotFollowed("it adds what the data choose, which is no neuron")
        return pass_beside(t, x, other, name)
    if x is left or sign == 1.0:
        return shift(t, x, other, name, sign if x is left else 1.0)
    return t.scale(x, Recipe.constant(sign), t.recipe(other), name, parametric=False)


def _summand(t: Tracer, value: Any) -> Recipe:
    """Return a mask, which is no weight, as a constant that is not stored."""
    array = t.array(value)
    is_mask = array is not None and split_mask(array) is not None
    return Recipe.constant(array) if is_mask and array is not None else t.recipe(value)


def add_branches(
    t: Tracer, operands: Sequence[Neurons], name: str, signs: Sequence[float] | None = None
) -> Any:
    """Return a layer that receives the edges of all branches, with a factor each."""
    ids, samples = t.together(operands)
    return t.made(t.builder.add(name, ids, signs), samples)


def shift(t: Tracer, x: Neurons, other: Any, name: str, sign: float = 1.0) -> Any:
    """Return x + sign · c: a bias; where c is a mask, without the neurons that it hides."""
    masked = split_weights(other)
    values = t.mask_values(other) if masked is None else None
    mask = None if values is None else split_mask(sign * values)
    if mask is not None:
        keep, rest = mask
        t.use_as_mask(other)
        return take_away(t, t.scale(x, None, t.recipe(rest), name) if rest.any() else x, keep)
    if t.number(other) == 0.0:
        return t.widened(x, np.shape(other))
    bias = t.recipe(other) if masked is None else masked[1]
    made = t.scale(x, None, bias if sign == 1.0 else bias * Recipe.constant(sign), name)
    return made if masked is None else take_away(t, made, masked[0])


def negate(t: Tracer, x: Any, name: str) -> Any:
    """Return -x."""
    if are_weights(x):
        return -t.recipe(x)
    return t.scale(x, Recipe.constant(-1.0), None, name, parametric=False)


def weighted_sum(t: Tracer, x: Any, addend: Any, name: str, alpha: float, beta: float) -> Any:
    """Return alpha · x + beta · addend; None stands for nothing that is added."""
    scaled = x if alpha == 1.0 else multiply(t, x, Recipe.constant(alpha), f"{name}.scale")
    return scaled if addend is None or beta == 0.0 else add(t, scaled, addend, name, beta)


def mean_of(t: Tracer, values: Sequence[Any], name: str) -> Any:
    """Return the mean of several values, neuron by neuron."""
    return multiply(t, total(t, values, name), Recipe.constant(1.0 / len(values)), name)


def total(t: Tracer, values: Sequence[Any], name: str) -> Any:
    """Return the sum of several values."""
    if are_weights(*values):
        return reduce(add_recipes, map(t.recipe, values))
    neurons = [value for value in values if isinstance(value, Neurons)]
    made = neurons[0] if len(neurons) == 1 else add_branches(t, neurons, name)
    for value in values:
        if not isinstance(value, Neurons):
            made = add(t, made, value, name)
    return made


# -- products ---------------------------------------------------------------------------------


def multiply(t: Tracer, left: Any, right: Any, name: str) -> Any:
    """Return left · right: a scaling, a gate, or a function of the same neurons (as x · σ(x))."""
    if are_weights(left, right):
        return t.recipe(left) * t.recipe(right)
    if is_noise(left) or is_noise(right):
        return _scaled_noise(t, left, right, name)
    if isinstance(left, Neurons) and isinstance(right, Neurons):
        return multiply_branches(t, left, right, name)
    x, factor = (left, right) if isinstance(left, Neurons) else (right, left)
    if is_tokens(x) and isinstance(factor, Data) and is_mask(factor):
        return select(t, factor, (x, 0), name)
    if isinstance(factor, Data):
        return pass_beside(t, x, factor, name)
    if t.number(factor) == 1.0:
        return t.widened(x, np.shape(factor))
    return t.scale(x, t.recipe(factor), None, name, parametric=is_learned(factor))


def multiply_branches(t: Tracer, left: Neurons, right: Neurons, name: str) -> Any:
    """Multiply branches: the least of a gate is handed on."""
    (a, b), samples = t.together([left, right])
    if np.array_equal(a, b):
        return t.widened(t.activate(left, "pow"), right.shape)
    return t.made(t.builder.multiply(name, [a, b]), samples)


def divide(t: Tracer, left: Any, right: Any, name: str) -> Any:
    """Return left / right: the numerator is handed on, a divisor of neurons modulates it."""
    if are_weights(left, right):
        return t.recipe(left) / t.recipe(right)
    if isinstance(right, Neurons):
        right = t.activate(right, "reciprocal")
        if isinstance(left, Neurons):
            return multiply_branches(t, left, right, name)
        return multiply(t, left, right, name)
    if isinstance(right, Data):
        return pass_beside(t, left, right, name)
    if t.number(right) == 1.0:
        return t.widened(left, np.shape(right))
    divisor = t.recipe(right)
    weight = Recipe.constant(1.0) / divisor
    return t.scale(left, weight, None, name, parametric=is_learned(divisor))


def between(t: Tracer, start: Any, end: Any, weight: Any, name: str) -> Any:
    """Return start + weight · (end - start)."""
    if isinstance(weight, Neurons):
        return add(t, start, multiply(t, weight, add(t, end, start, name, -1.0), name), name)
    rest = add(t, 1.0, weight, name, -1.0)
    return add(t, multiply(t, start, rest, name), multiply(t, end, weight, name), name)


def gated_halves(t: Tracer, x: Neurons, axis: int, name: str) -> Any:
    """Return the first half of an axis, gated by a sigmoid of the second (GLU)."""
    first, second = map(t.neurons, np.split(x.ids, 2, axis))
    return multiply_branches(t, first, t.activate(second, "sigmoid"), name)


def compare(t: Tracer, left: Any, right: Any, name: str, how: str) -> Recipe:
    """Compare weights; what is said of neurons is no neuron, and is derived by an adapter.

    Parameters
    ----------
    how : {"eq", "ne", "lt", "le", "gt", "ge"}
    """
    return OF_TWO[how](t.recipe(left), t.recipe(right))


# -- noise --------------------------------------------------------------------------------------


def _beside_noise(t: Tracer, left: Any, right: Any, name: str, sign: float) -> Any:
    """Return what noise is added to: noise counts as zero."""
    t.note(name, _NOISE)
    noise, x = (left, right) if is_noise(left) else (right, left)
    made = x if x is left or sign == 1.0 else multiply(t, x, np.asarray(sign), name)
    if isinstance(made, Neurons):
        return t.widened(made, noise.shape)
    return t.recipe(made) + Recipe.constant(np.zeros(noise.shape))


def _scaled_noise(t: Tracer, left: Any, right: Any, name: str) -> Any:
    """Return noise times neurons: nodes that no value leads to, and which those modulate."""
    t.note(name, _NOISE)
    noise, x = (left, right) if is_noise(left) else (right, left)
    if not isinstance(x, Neurons):
        t.skip([x], "it scales random numbers, which are no nodes")
        return replace(noise, shape=np.broadcast_shapes(noise.shape, np.shape(x)))
    (ids,), samples = t.together([t.widened(x, noise.shape)])
    name = t.builder.unique(name)
    made = t.builder.fresh(name, ids, "multiply")
    t.builder.connect(Identity, name, ids, made, modulatory=True)
    return t.made(made, samples)


# -- the larger, the smaller, the chosen --------------------------------------------------------


def clamp(t: Tracer, x: Any, low: Any, high: Any, name: str) -> Any:
    """Keep neurons within bounds, None where there is none; neurons are bounds, too."""
    if is_tokens(x) and are_weights(low, high):
        return bounded(t, x, low, high, name)
    if not any(isinstance(bound, Neurons) for bound in (low, high)):
        return activations.clamp(t, x, low, high)
    x = x if low is None else extreme(t, [x, low], "max", name)
    return x if high is None else extreme(t, [x, high], "min", name)


def extreme(t: Tracer, values: Sequence[Any], mode: str, name: str) -> Any:
    """Return the largest or smallest of several values, neuron by neuron.

    Parameters
    ----------
    mode : {"max", "min"}

    Returns
    -------
    Neurons
        Of a layer to which every branch leads with weight one, as in a maximum pooling; with
        one branch and a bound the neurons themselves: ``max(x, 0)`` is a relu, any other bound a
        clamp.
    """
    if are_weights(*values):
        return reduce(maximum if mode == "max" else minimum, map(t.recipe, values))
    neurons = [value for value in values if isinstance(value, Neurons)]
    bounds = [value for value in values if not isinstance(value, Neurons)]
    if not bounds:
        return choose_among(t, neurons, mode, name) if len(neurons) > 1 else neurons[0]
    if len(neurons) != 1 or any(isinstance(bound, Data) for bound in bounds):
        raise NotFollowed("it compares neurons with constants and with each other")
    (made,) = neurons
    for bound in bounds:
        made = activations.clamp(t, made, *((bound, None) if mode == "max" else (None, bound)))
    return t.widened(made, *(np.shape(bound) for bound in bounds))


def select(t: Tracer, choice: Any, options: Sequence[Any], name: str) -> Any:
    """Choose among values, neuron by neuron.

    A constant choice moves neurons, and one by the data tokens, as in the example. By what depends
    on the input, all neurons that may be chosen lead to the result; a choice between functions of
    the same neurons is an activation, and one by a mask hides nothing.

    Parameters
    ----------
    choice : Neurons, Data, weights or constant
        What decides.
    options : sequence of Neurons, weights or constant
        What is chosen where it is true, and where it is not; weights that the data choose are
        nodes whose biases they are.
    """
    choice = choice_among(t, choice, options, name)
    if are_weights(choice, *options):
        chosen = t.array(choice)
        which = t.recipe(choice if chosen is None else chosen.astype(np.float32))
        return which.where(*map(t.recipe, options))
    if are_weights(choice):
        return _placed(t, choice, options, name)
    options = [value if weights_of(value) is None else t.neurons(t.as_ids(value, name))
               for value in options]  # fmt: skip
    neurons = [value for value in options if isinstance(value, Neurons)]
    if not neurons:
        raise NotFollowed("it chooses between constants by the data")
    if len(neurons) == len(options) > 1:
        return choose_among(t, neurons, "where", name)
    if len(neurons) > 1:
        raise NotFollowed("it chooses between several neurons and a constant by the data")
    if is_mask(choice):
        return pass_beside(t, neurons[0], choice, name)
    made = neurons[0]
    if not t.builder.is_softmax(t.any_sample(made)):
        # A softmax whose rows without any entry are set to zero stays a softmax.
        made = t.activate(made, "where")
    return t.widened(made, *(np.shape(value) for value in (choice, *options)))


def _placed(t: Tracer, choice: Any, options: Sequence[Any], name: str) -> Any:
    """Return neurons where a constant chooses them, and other constants as nodes."""
    tokens = [x for x in options if is_tokens(x)]
    chosen, nodes_of = t.array(choice), t.as_tokens if tokens else t.as_ids
    if chosen is None:
        chosen = t.recipe(choice).read()
        t.use_as_mask(choice)
    ids = np.where(chosen.astype(bool), *(nodes_of(value, name) for value in options))
    return t.neurons(ids, like=tokens[0] if tokens else None)


def choose_among(t: Tracer, operands: Sequence[Neurons], kind: str, name: str) -> Any:
    """Return neurons to which each of the others leads with weight one, as in a max pooling.

    Parameters
    ----------
    kind : {"max", "min", "where"}
        Kind of the layer.
    """
    ids, samples = t.together(operands)
    if all(np.array_equal(other, ids[0]) for other in ids[1:]):
        return t.made(ids[0], samples)
    name = t.builder.unique(name)
    made = t.builder.fresh(name, ids[0], kind)
    target = t.builder.view(made)
    for k, branch in enumerate(ids):
        t.builder.connect(Identity, t.builder.unique(f"{name}.{k}"), branch, target)
    return t.made(made, samples)
