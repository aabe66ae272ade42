"""Sums and largest values over axes, taken in chunks: no more than one and the result is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe.chunks import chunks_of, reduced_axes
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.types import Array

#: Returns a part of an expression: (expression, axis, start, stop).
Read = Callable[..., Array]

#: Labels beyond which putting them in order takes longer than adding up line by line.
_LONG = 2048


def reduced(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    """Return a part of a sum, of sums by label, or of the largest values."""
    source, over = recipe.args[0], reduced_axes(recipe)
    if not recipe.shape:
        return np.asarray(read(source), dtype=np.float64)
    shape, first = recipe.shape, 0.0 if recipe.op != "max" else -np.inf
    if axis not in over and (start, stop) != (0, shape[axis]):
        total = np.full((*shape[:axis], stop - start, *shape[axis + 1 :]), first)
        _add(recipe, read(source, axis, start, stop), slice(None), total)
        return total
    total = np.full(shape, first)
    for low, high in chunks_of(source):
        into = total if 0 in over else total[low:high]
        _add(recipe, read(source, 0, low, high), slice(low, high), into)
    return total[(slice(None),) * axis + (slice(start, stop),)]


def _add(recipe: Expression, part: Array, rows: slice, total: Array) -> None:
    """Add a part of the source, which holds `rows` of its first axis, to what is made of it."""
    if recipe.op == "sum":
        total += np.sum(part, axis=tuple(recipe.options["axes"]), keepdims=True, dtype=np.float64)
        return
    if recipe.op == "max":
        axes = tuple(recipe.options["axes"])
        np.maximum(total, np.max(part, axis=axes, keepdims=True, initial=-np.inf), out=total)
        return
    axis, labels = recipe.options["axis"], recipe.options["labels"]
    labels = labels[rows] if axis == 0 else labels
    if len(labels) > _LONG:
        _add_counted(part, axis, labels, total)
    else:
        _add_sorted(part, axis, labels, total)


def _add_counted(part: Array, axis: int, labels: NDArray[np.int64], total: Array) -> None:
    """Add the sums by label of long lines, line by line."""
    n = total.shape[axis]
    lines = np.moveaxis(part, axis, -1).reshape(-1, len(labels))
    # One more, for the label -1.
    sums = np.zeros((len(lines), n))
    for line, into in zip(lines, sums, strict=True):
        into[:] = np.bincount(labels + 1, line, n + 1)[1:]
    others = (*total.shape[:axis], *total.shape[axis + 1 :])
    total += np.moveaxis(sums.reshape(*others, n), -1, axis)


def _add_sorted(part: Array, axis: int, labels: NDArray[np.int64], total: Array) -> None:
    """Add the sums by label of many lines, in the order of their labels."""
    if np.any(labels[1:] < labels[:-1]) or labels.min(initial=0) < 0:
        order = np.argsort(labels, kind="stable")
        order = order[labels[order] >= 0]
        part, labels = np.take(part, order, axis), labels[order]
    if not labels.size:
        return
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    sums = np.add.reduceat(part, starts, axis=axis, dtype=np.float64)
    where: Any = (*(slice(None),) * axis, labels[starts])
    total[where] += sums
