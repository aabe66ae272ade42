"""Normalisations and softmaxes: functions of all neurons along some axes.

Random numbers stand for the neurons that go into one sum, and the result is compared with a
softmax, with x − mean over the standard deviation, and with x over the root of its mean square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.jax import movement
from cntgraph.adapters.jax.evaluation import evaluate, signature
from cntgraph.adapters.jax.numeric import ELEMENTWISE, REDUCTIONS, axes_of
from cntgraph.adapters.jax.values import Lazy, Meaning, Nodes, Value, sources_of
from cntgraph.core.types import Ids, Values

#: More numbers than these are not computed with; what they amount to is then told by parts.
_MOST_VALUES = 1 << 25
_TOLERANCE = 1e-6


def by_statistics(
    value: Lazy, base: Value | None, steps: list[Lazy], known: dict[Any, Meaning | None]
) -> Meaning | None:
    """Return what a lazy value with sums over axes amounts to.

    Parameters
    ----------
    base : value or None
        What it is seen as a function of; None for the neurons themselves.
    steps : list of Lazy
        The operations in between.
    known : dict
        What was found out before; the layers of a model are often alike.
    """
    softened = _softened(value)
    if softened is not None:
        return Meaning("softmax", softened)
    sources: list[Value] = [base] if base is not None else list(sources_of(steps))
    whole = next((s for s in sources if s.shape == value.shape), None)
    if whole is None or max(prod(step.shape) for step in steps) > _MOST_VALUES:
        return None
    places = _places(sources)
    key = signature(steps, sources), tuple(s.shape for s in sources), *(
        _digest(p) for p in places.values() if len(sources) > 1)  # fmt: skip
    if key not in known:
        known[key] = _compared(value, steps, places, whole, sources)
    found = known[key]
    return None if found is None else replace(found, base=whole)


def _compared(
    value: Lazy, steps: list[Lazy], places: Mapping[int, Ids], whole: Value, sources: list[Value]
) -> Meaning | None:
    """Return what a value amounts to, by comparison on random numbers."""
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


def _places(sources: list[Value]) -> dict[int, Ids]:
    """Return a number from zero on for each neuron, the same wherever it is shown."""
    (first, *_) = sources
    if not isinstance(first, Nodes):
        return {id(first): np.arange(prod(first.shape)).reshape(first.shape)}
    ids = [s.ids for s in sources if isinstance(s, Nodes)]
    nodes = np.concatenate([i[i >= 0] for i in ids])
    low, end = (int(nodes.min()), int(nodes.max()) + 1) if nodes.size else (0, 0)
    if end - low <= 8 * nodes.size:
        return {id(s): np.where(i < 0, -1, i - low) for s, i in zip(sources, ids, strict=True)}
    distinct = np.unique(nodes)
    return {id(s): np.where(i < 0, -1, np.searchsorted(distinct, i))
            for s, i in zip(sources, ids, strict=True)}  # fmt: skip


def _digest(places: Ids) -> bytes:
    return sha256(places.tobytes()).digest()


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
        labels = np.full(n, sums.size)  # numbers in between are of no neuron
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
