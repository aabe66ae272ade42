"""What a lazy value amounts to: an activation, a softmax, a normalisation, or no single thing.

It is found out by computing it on numbers: a function of one neuron is compared on a grid with
those that have a name (`functions`), one of sums over axes on random numbers (`statistics`).
"""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.jax.evaluation import evaluate
from cntgraph.adapters.jax.functions import GRID, function_name
from cntgraph.adapters.jax.movement import REARRANGING
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, REDUCTIONS
from cntgraph.adapters.jax.statistics import by_statistics
from cntgraph.adapters.jax.values import (
    Lazy,
    Meaning,
    Nodes,
    Value,
    Weight,
    parts,
    scalar_of,
    sources_of,
)
from cntgraph.core.types import Array, Ids
from cntgraph.network.activations import activation_name


def meaning_of(value: Lazy, known: dict[Any, Meaning | None]) -> Meaning | None:
    """Return what a lazy value amounts to, as a function of as early a value as possible.

    Parameters
    ----------
    known : dict
        What was found out before, of values that are computed alike.
    """
    inside = parts(value)
    learned = [leaf for part in inside for leaf in part.args if isinstance(leaf, Weight)]
    if any(prod(weight.shape) != 1 for weight in learned):
        return None
    for base in _bases(value, inside):
        found = _named(value, base, inside, known)
        if found is not None:
            return found
    return None


def _bases(value: Lazy, inside: list[Lazy]) -> list[Value | None]:
    """Return what everything in a value passes through; None for the neurons themselves."""
    return [None, *(part for part in inside if part is not value and _passes(value, part))]


def _passes(value: Value, gate: Value) -> bool:
    """Whether no neuron is read but by way of `gate`."""
    waiting, seen = [value], {id(gate)}
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Nodes):
            return False
        if isinstance(item, Lazy):
            waiting.extend(item.args)
    return True


def _named(
    value: Lazy, base: Value | None, inside: list[Lazy], known: dict[Any, Meaning | None]
) -> Meaning | None:
    steps = inside if base is None else parts(value, stop=[id(base)])
    if any(step.op.name not in ELEMENTWISE | REDUCTIONS | REARRANGING for step in steps):
        return None
    if all(step.op.name in ELEMENTWISE for step in steps):
        return _pointwise(value, base, steps)
    if any(isinstance(a, Weight) for step in steps for a in step.args):
        return None
    return by_statistics(value, base, steps, known)


# -- functions of one neuron ----------------------------------------------------------------


def _pointwise(value: Lazy, base: Value | None, steps: list[Lazy]) -> Meaning | None:
    sources = [base] if base is not None else sources_of(steps)
    if any(source.shape != value.shape for source in sources):
        return None
    first = sources[0]
    alike = all(s is first or np.array_equal(_ids(s), _ids(first)) for s in sources)
    numbers = [a for step in steps for a in step.args if isinstance(a, np.ndarray)]
    if not alike or any(scalar_of(number) is None for number in numbers):
        return None
    computed = np.asarray(evaluate(value, {id(source): GRID for source in sources}), np.float64)
    if computed.shape != GRID.shape or _is_affine(computed):
        return None
    name = function_name(computed) or _own_name(steps)
    learned = [a for step in steps for a in step.args if isinstance(a, Weight)]
    if learned and name != "leaky_relu":
        return None
    return None if name is None else Meaning("prelu" if learned else name, first)


def _is_affine(y: Array) -> bool:
    """Whether a function on the grid is a scaling and a shift, which is no activation."""
    line = y[0] + (y[-1] - y[0]) * (GRID - GRID[0]) / (GRID[-1] - GRID[0])
    return bool(np.allclose(y, line, rtol=1e-9, atol=1e-9))


def _ids(value: Value) -> Ids:
    assert isinstance(value, Nodes)
    return value.ids


#: Functions of several neurons, whose steps may be functions of one.
_NOT_OF_ONE = frozenset(
    "dot_product_attention glu log_softmax logmeanexp logsumexp one_hot softmax standardize".split()
)


def _own_name(steps: list[Lazy]) -> str | None:
    """Return the name of the library's function that all steps are of, or of a single step."""
    if len(steps) == 1:
        name = str(steps[0].op.name)
        if name in ("max", "min"):
            return "clamp"
        return None if name in LINEAR else activation_name(name)
    callers = [step.op.caller for step in steps]
    shared = [str(names[0]) for names in zip(*callers, strict=False) if len(set(names)) == 1]
    known = (activation_name(name) for name in shared[::-1]
             if hasattr(jax.nn, name) and name not in _NOT_OF_ONE)  # fmt: skip
    return next(known, None)
