"""What a lazy value amounts to: an activation, a softmax, a normalisation, or no single thing.

It is found out by computing it on numbers. A function of one neuron is compared on a grid. Where
sums over axes occur, random numbers stand for the neurons that go into a sum, and the result is
compared with a softmax, with x − mean over standard deviation, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import jax
import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.functions import GRID, function_name
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, REDUCTIONS, axes_of, compute
from cntgraph.adapters.jax.values import Array, Ids, Lazy, Nodes, Value, Weight, parts, scalar_of

Values = NDArray[np.float64]
#: More numbers than these are not computed with; what they amount to is then told by parts.
_MOST_VALUES = 1 << 25
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Meaning:
    """A function of neurons that has a name.

    Parameters
    ----------
    name : str
        As other adapters name it.
    base : value
        The neurons it is a function of.
    is_norm : bool
        Whether it normalises by statistics of the neurons.
    unit : float, default 1.0
        What a norm is multiplied by.
    mixed : tuple of int
        The axes whose neurons go into one sum.
    grouped : bool
        Whether a sum takes some of the neurons along a further axis.
    """

    name: str
    base: Value
    is_norm: bool = False
    unit: float = 1.0
    mixed: tuple[int, ...] = ()
    grouped: bool = False


def meaning_of(value: Lazy) -> Meaning | None:
    """Return what a lazy value amounts to, as a function of as early a value as possible."""
    inside = parts(value)
    if any(isinstance(leaf, Weight) for part in inside for leaf in part.args):
        return None
    for base in _bases(value, inside):
        found = _named(value, base, inside)
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


def _named(value: Lazy, base: Value | None, inside: list[Lazy]) -> Meaning | None:
    steps = inside if base is None else parts(value, stop=[id(base)])
    if any(step.op.name not in ELEMENTWISE | REDUCTIONS | movement.REARRANGING for step in steps):
        return None
    if all(step.op.name in ELEMENTWISE for step in steps):
        return _pointwise(value, base, steps)
    return _by_statistics(value, base, steps)


# -- functions of one neuron ----------------------------------------------------------------


def _pointwise(value: Lazy, base: Value | None, steps: list[Lazy]) -> Meaning | None:
    sources = [base] if base is not None else _sources(steps)
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
    return None if name is None else Meaning(name, first)


def _is_affine(y: Array) -> bool:
    """Whether a function on the grid is a scaling and a shift, which is no activation."""
    line = y[0] + (y[-1] - y[0]) * (GRID - GRID[0]) / (GRID[-1] - GRID[0])
    return bool(np.allclose(y, line, rtol=1e-9, atol=1e-9))


def _sources(steps: list[Lazy]) -> list[Nodes]:
    found = {id(a): a for step in steps for a in step.args if isinstance(a, Nodes)}
    return list(found.values())


def _ids(value: Value) -> Ids:
    assert isinstance(value, Nodes)
    return value.ids


#: Names that other adapters have for a single operation.
_SINGLE = {"max": "clamp", "min": "clamp", "integer_pow": "pow", "select_n": "where"}


def _own_name(steps: list[Lazy]) -> str | None:
    """Return the name of the library's function that all steps are of, or of a single step."""
    if len(steps) == 1:
        name = str(steps[0].op.name)
        return None if name in LINEAR else _SINGLE.get(name, name)
    callers = [step.op.caller for step in steps]
    shared = [str(names[0]) for names in zip(*callers, strict=False) if len(set(names)) == 1]
    return next((name for name in shared[::-1] if hasattr(jax.nn, name)), None)


# -- functions of all neurons along some axes ---------------------------------------------------


def _by_statistics(value: Lazy, base: Value | None, steps: list[Lazy]) -> Meaning | None:
    softened = _softened(value)
    if softened is not None:
        return Meaning("softmax", softened)
    sources: list[Value] = [base] if base is not None else list(_sources(steps))
    whole = next((s for s in sources if s.shape == value.shape), None)
    if whole is None or sum(prod(step.shape) for step in steps) > _MOST_VALUES:
        return None
    places = {id(source): _places(source) for source in sources}
    labels = _labels(steps, places, 1 + max(int(p.max(initial=0)) for p in places.values()))
    if labels is None:
        return None
    x = np.random.default_rng(0).normal(size=len(labels))
    shown = places[id(whole)]
    for scale, references in ((1.0, _softmaxes), (1e3, _norms)):
        numbers = {id(s): np.where(places[id(s)] < 0, _fill(s), (scale * x)[places[id(s)]])
                   for s in sources}  # fmt: skip
        computed = np.broadcast_to(evaluate(value, numbers), shown.shape)[shown >= 0]
        for name, reference in references(scale * x, labels).items():
            unit = _unit(computed, reference[shown[shown >= 0]])
            if unit is not None and (scale != 1.0 or unit == 1.0):
                return Meaning(name, whole, scale != 1.0, unit, *_mixed(labels[shown]))
    return None


def _softened(value: Lazy) -> Value | None:
    """Return what a softmax that is written in the usual way is applied to.

    What is subtracted first (the largest value) changes nothing, if it is one number a sum.
    """
    if value.op.name != "div" or not all(isinstance(a, Lazy) for a in value.args):
        return None
    top, total = value.args[0], value.args[1]
    while total.op.name in movement.REARRANGING and isinstance(total.args[0], Lazy):
        total = total.args[0]
    if total.op.name != "reduce_sum" or total.args[0] is not top or top.op.name != "exp":
        return None
    inner: Value = top.args[0]
    if isinstance(inner, Lazy) and inner.op.name == "sub":
        if _is_constant_along(inner.args[1], axes_of(total.op.params), len(inner.shape)):
            inner = inner.args[0]
    return inner if isinstance(inner, Lazy | Nodes) and inner.shape == value.shape else None


def _is_constant_along(value: Value, axes: Sequence[int], ndim: int) -> bool:
    """Whether a value, broadcast to `ndim` axes, is the same all along some of them."""
    if len(value.shape) != ndim:
        return not value.shape
    repeated = {axis for axis in range(ndim) if value.shape[axis] == 1}
    if isinstance(value, Lazy) and value.op.name == "broadcast_in_dim":
        dimensions, (inner, *_) = value.op.params["broadcast_dimensions"], value.args
        kept = {int(d) for d, n in zip(dimensions, inner.shape, strict=True) if n != 1}
        repeated |= set(range(ndim)) - kept
    return repeated.issuperset(axes)


def _places(source: Value) -> Ids:
    if isinstance(source, Nodes):
        nodes = np.unique(source.ids[source.ids >= 0])
        return np.where(source.ids < 0, -1, np.searchsorted(nodes, source.ids))
    return np.arange(int(np.prod(source.shape))).reshape(source.shape)


def _fill(source: Value) -> float:
    return source.fill if isinstance(source, Nodes) else 0.0


def _labels(steps: list[Lazy], places: Mapping[int, Ids], n: int) -> Ids | None:
    """Return, for each neuron, the number of the sum that it goes into; they all must agree."""
    found = None
    for step in steps:
        if step.op.name not in REDUCTIONS:
            continue
        summed = _summed(step.args[0], places)
        if summed is None:
            return None
        sums = np.arange(prod(step.shape)).reshape(step.shape)
        wide = np.broadcast_to(np.expand_dims(sums, axes_of(step.op.params)), summed.shape)
        labels = np.zeros(n, np.int64)
        labels[summed[summed >= 0]] = wide[summed >= 0]
        if found is not None and not np.array_equal(_numbered(found), _numbered(labels)):
            return None
        found = labels
    return found


def _summed(value: Value, places: Mapping[int, Ids]) -> Ids | None:
    """Return the places of the neurons that a sum is taken of, entry by entry."""
    waiting, shape = [value], value.shape
    while waiting:
        item = waiting.pop()
        if item.shape == shape and id(item) in places:
            return places[id(item)]
        if isinstance(item, Lazy) and item.op.name in ELEMENTWISE:
            waiting.extend(item.args)
    return None


def _numbered(labels: Ids) -> Ids:
    """Return labels numbered in the order in which they first occur."""
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def _mean(x: Values, labels: Ids) -> Values:
    sums = np.bincount(labels, weights=x) / np.maximum(np.bincount(labels), 1)
    return np.asarray(sums[labels])


def _softmaxes(x: Values, labels: Ids) -> dict[str, Values]:
    total = np.bincount(labels, weights=np.exp(x))[labels]
    return {"softmax": np.exp(x) / total, "log_softmax": x - np.log(total)}


def _norms(x: Values, labels: Ids) -> dict[str, Values]:
    centred = x - _mean(x, labels)
    return {
        "layer_norm": centred / np.sqrt(_mean(centred**2, labels)),
        "rms_norm": x / np.sqrt(_mean(x**2, labels)),
    }


def _unit(y: Values, reference: Values) -> float | None:
    """Return what a result is a multiple of a reference by, or None if it is none."""
    if not y.size or not np.isfinite(y).all():
        return None
    unit = float((y * reference).sum() / (reference**2).sum())
    if abs(unit - 1.0) < 100 * _TOLERANCE:
        unit = 1.0
    fits = np.allclose(y, unit * reference, rtol=_TOLERANCE, atol=_TOLERANCE)
    return unit if fits and unit > 0 else None


def _mixed(labels: Ids) -> tuple[tuple[int, ...], bool]:
    """Return the axes along which neurons go into one sum, and whether others do so in part."""
    spread = [axis for axis in range(labels.ndim) if labels.shape[axis] > 1]
    mixed = tuple(axis for axis in spread if (labels == labels.take([0], axis)).all())
    grouped = any(
        len(np.unique(labels.swapaxes(0, axis).reshape(labels.shape[axis], -1)[:, 0]))
        < labels.shape[axis]
        for axis in spread if axis not in mixed
    )  # fmt: skip
    return mixed, grouped


def evaluate(value: Lazy, numbers: Mapping[int, Array]) -> Array:
    """Compute a lazy value.

    Parameters
    ----------
    value : Lazy
    numbers : mapping of int to ndarray
        The numbers that stand for values, by their `id`.

    Returns
    -------
    ndarray
    """
    known = dict(numbers)
    for part in parts(value, stop=numbers):
        moves = part.op.name in movement.MOVEMENTS and part.op.name != "select_n"
        arguments = [known[id(a)] if id(a) in known else _constant(a, whole=moves)
                     for a in part.args]  # fmt: skip
        if moves:
            (known[id(part)],) = movement.move(part.op, arguments)
        else:
            known[id(part)] = compute(part.op.name, part.op.params, arguments)
    return known[id(value)]


def _constant(value: Value, *, whole: bool) -> Array:
    """Return a constant; one that is a number everywhere fits any shape."""
    assert isinstance(value, np.ndarray)
    return value if whole or scalar_of(value) is None else value.reshape(-1)[0]
