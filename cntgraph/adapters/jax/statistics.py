"""Normalizations and softmaxes: functions of all neurons along some axes.

Random numbers stand for the neurons that go into one sum, and the result is compared with a
softmax, with x − mean over the standard deviation, and with x over the root of its mean square.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from cntgraph.adapters.jax.movement import REARRANGING, move
from cntgraph.adapters.jax.numeric import REDUCTIONS, axes_of
from cntgraph.adapters.jax.program import Op, Var
from cntgraph.core.types import Array, Ids, Values

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
    unit : float, default 1.0
        What a norm is multiplied by.
    mixed : tuple of int
        The axes whose neurons go into one sum.
    grouped : bool
        Whether a sum takes some of the neurons along a further axis.
    """

    name: str
    unit: float = 1.0
    mixed: tuple[int, ...] = ()
    grouped: bool = False


def compared(steps: Sequence[Op], base: Var, evaluate: Callable[[Array], Array]) -> Meaning | None:
    """Return what steps with sums over axes amount to, by comparison on random numbers.

    Parameters
    ----------
    base : Var
        What they are a function of, of the shape of the result.
    evaluate : callable
        Carries them out.
    """
    if max(prod(step.outputs[0].shape) for step in steps) > _MOST_VALUES:
        return None
    labels = _labels(steps, base)
    if labels is None:
        return None
    x = np.random.default_rng(0).normal(size=labels.size)

    def yielded(values: Array) -> Array:
        return np.broadcast_to(evaluate(values.reshape(base.shape)), base.shape).reshape(-1)

    for scale, references in ((1.0, _softmaxes), (1e3, _norms)):
        y = yielded(scale * x)
        # Of neurons twice as large a norm is the same; what only subtracts the mean is not.
        if scale != 1.0 and not np.allclose(yielded(2 * scale * x), y, rtol=1e-5, atol=1e-5):
            continue
        for name, reference in references(scale * x, labels.reshape(-1)).items():
            unit = _unit(y, reference)
            if unit is not None and (scale != 1.0 or unit == 1.0):
                return Meaning(name, unit, *_mixed(labels, steps))
    return None


def softened(made: Mapping[Var, Op], last: Op) -> tuple[Var, tuple[int, ...]] | None:
    """Return what a softmax that is written in the usual way is applied to, and over which axes.

    What is subtracted first (the largest value) changes nothing, if it is one number a sum.
    """
    if last.name != "div" or not all(v in made for v in last.inputs):
        return None
    top, total = (made[v] for v in last.inputs)
    while total.name in REARRANGING and total.inputs[0] in made:
        total = made[total.inputs[0]]
    if (total.name, top.name) != ("reduce_sum", "exp") or total.inputs[0] is not last.inputs[0]:
        return None
    (inner,) = top.inputs
    less, axes = made.get(inner), axes_of(total.params)
    if less is not None and less.name == "sub":
        if _is_constant_along(made, less.inputs[1], axes, len(inner.shape)):
            inner = less.inputs[0]
    return (inner, axes) if inner.shape == last.outputs[0].shape else None


def _is_constant_along(made: Mapping[Var, Op], value: Var, axes: Sequence[int], ndim: int) -> bool:
    """Whether a value, broadcast to `ndim` axes, is the same all along some of them."""
    if len(value.shape) != ndim:
        return not value.shape
    repeated = {axis for axis in range(ndim) if value.shape[axis] == 1}
    op = made.get(value)
    if op is not None and op.name == "broadcast_in_dim":
        pairs = zip(op.params["broadcast_dimensions"], op.inputs[0].shape, strict=True)
        repeated |= set(range(ndim)) - {int(d) for d, n in pairs if n != 1}
    return repeated.issuperset(axes)


def _labels(steps: Sequence[Op], base: Var) -> Ids | None:
    """Return, for each neuron, the number of the sum that it goes into; they all must agree."""
    n, found = prod(base.shape), None
    places = {base: np.arange(n).reshape(base.shape)}
    for step in steps:
        (out,), x = step.outputs, next((v for v in step.inputs if v in places), None)
        if step.name in REDUCTIONS:
            if x is None:
                return None
            sums = np.arange(prod(out.shape)).reshape(out.shape)
            wide = np.broadcast_to(np.expand_dims(sums, axes_of(step.params)), x.shape)
            labels = np.empty(n, np.int64)
            labels[places[x]] = wide
            if found is not None and not np.array_equal(_numbered(found), _numbered(labels)):
                return None
            found = labels
        elif x is not None and step.name in REARRANGING:
            (places[out],) = move(step, [places[x]])
        elif x is not None and x.shape == out.shape:
            places[out] = places[x]
    return None if found is None else found.reshape(base.shape)


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
    centered = x - _mean(x, labels)
    return {
        "layer_norm": centered / np.sqrt(_mean(centered**2, labels)),
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


def _mixed(labels: Ids, steps: Sequence[Op]) -> tuple[tuple[int, ...], bool]:
    """Return the axes along which neurons go into one sum, and whether others do so in part."""
    summed = {axis for step in steps if step.name in REDUCTIONS
              if step.inputs[0].shape == labels.shape for axis in axes_of(step.params)}  # fmt: skip
    spread = [axis for axis in range(labels.ndim) if labels.shape[axis] > 1 or axis in summed]
    mixed = tuple(axis for axis in spread if (labels == labels.take([0], axis)).all())
    grouped = any(
        len(np.unique(labels.swapaxes(0, axis).reshape(labels.shape[axis], -1)[:, 0]))
        < labels.shape[axis]
        for axis in spread if axis not in mixed
    )  # fmt: skip
    return mixed, grouped
