"""Computing a lazy value on numbers that stand for its neurons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.numeric import compute
from cntgraph.adapters.jax.values import Lazy, Value, Weight, parts, scalar_of
from cntgraph.core.types import Array

#: Stands for a learned number.
_COEFFICIENT = 0.3


def evaluate(value: Lazy, numbers: Mapping[int, Array]) -> Array:
    """Compute a lazy value.

    Parameters
    ----------
    numbers : mapping of int to ndarray
        The numbers that stand for values, by their `id`.
    """
    known, steps = dict(numbers), parts(value, stop=numbers)
    readers = Counter(id(a) for part in steps for a in part.args)
    for part in steps:
        moves = part.op.name in movement.MOVEMENTS and part.op.name != "select_n"
        arguments = [known[id(a)] if id(a) in known else _constant(a, whole=moves)
                     for a in part.args]  # fmt: skip
        if moves:
            (known[id(part)],) = movement.move(part.op, arguments)
        else:
            known[id(part)] = compute(part.op.name, part.op.params, arguments)
        for a in part.args:
            readers[id(a)] -= 1
            if not readers[id(a)] and id(a) not in numbers:
                known.pop(id(a), None)  # what may be large is kept no longer than it is read
    return known[id(value)]


def _constant(value: Value, *, whole: bool) -> Array:
    """Return a constant; one that is a number everywhere fits any shape."""
    if isinstance(value, Weight):  # a learned coefficient: any number will do
        return np.asarray(_COEFFICIENT)
    assert isinstance(value, np.ndarray)
    return value if whole or scalar_of(value) is None else value.reshape(-1)[0]


def signature(steps: Sequence[Lazy], sources: Sequence[Value]) -> tuple[Any, ...]:
    """Return what two lazy values have in common that amount to the same.

    Parameters
    ----------
    steps : sequence of Lazy
        The operations of a value, each before what reads it.
    sources : sequence of value
        What they are a function of.

    Returns
    -------
    tuple
        Hashable.
    """
    number = {id(item): k for k, item in enumerate([*sources, *steps])}

    def of(value: Value) -> Any:
        if id(value) in number:
            return number[id(value)]
        constant = scalar_of(value)
        array = np.asarray(value)
        return array.shape, array.tobytes() if constant is None else constant

    return tuple(
        (step.op.name, step.shape, repr(sorted(step.op.params.items())), *map(of, step.args))
        for step in steps
    )
