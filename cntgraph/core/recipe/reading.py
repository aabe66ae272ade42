"""Evaluating a recipe: only the part of each parameter that the result depends on is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.types import Array

#: An operand, the axis of it that an axis of the result is read along, and how many of its
#: entries are read for one of the result.
Followed = tuple[Expression, int, float]

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "sqrt": np.sqrt,
    "square": np.square,
    "negative": np.negative,
    "absolute": np.absolute,
}
#: Bytes of one chunk: a few fit in the last cache of a core, so that a second look is free.
CHUNK_BYTES = 1 << 20
#: Entries that are not wanted are read with those around them, if no more than this many.
_GAP = 32
#: Labels beyond which putting them in order takes longer than adding up line by line.
_LONG = 2048


def read_part(recipe: Expression, axis: int = 0, start: int = 0, stop: int | None = None) -> Array:
    """Return a recipe's values from `start` to `stop` along `axis` (see `Recipe.read`)."""
    if recipe.parameter is not None:
        return recipe.parameter.read(axis, start, stop)
    if recipe.value is not None:
        return _part(recipe.value, axis % max(recipe.value.ndim, 1), start, stop)
    if not recipe.shape:
        return _READERS[_known(recipe)](recipe, 0, 0, 1)
    axis %= len(recipe.shape)
    start, stop, _ = slice(start, stop).indices(recipe.shape[axis])
    return _READERS[_known(recipe)](recipe, axis, start, max(start, stop))


def _known(recipe: Expression) -> str:
    if recipe.op not in _READERS:
        raise ParameterError(f"unknown operation {recipe.op!r} in a recipe; the file is newer?")
    return recipe.op


def _part(value: Array, axis: int, start: int, stop: int | None) -> Array:
    if not value.ndim or (start == 0 and stop is None):
        return value
    return value[(slice(None),) * axis + (slice(start, stop),)]


def _all(recipe: Expression, axis: int, start: int, stop: int) -> bool:
    return (start, stop) == (0, recipe.shape[axis])


# -- arithmetic -----------------------------------------------------------------------------


def _binary(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    left, right = (_operand(arg, recipe, axis, start, stop) for arg in recipe.args)
    return np.asarray(BINARY[recipe.op](left, right))


def _operand(arg: Expression, whole: Expression, axis: int, start: int, stop: int) -> Array:
    """Read the part of an operand that broadcasts against a part of the result."""
    own = axis - (len(whole.shape) - len(arg.shape))
    if not arg.shape or own < 0 or arg.shape[own] != whole.shape[axis]:
        return read_part(arg).astype(np.float64, copy=False)
    return read_part(arg, own, start, stop).astype(np.float64, copy=False)


def _unary(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    part = _operand(recipe.args[0], recipe, axis, start, stop)
    return np.asarray(UNARY[recipe.op](part))


# -- layout ---------------------------------------------------------------------------------


def _transposed(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    axes = recipe.options["axes"]
    return read_part(recipe.args[0], axes[axis], start, stop).transpose(axes)


def _reshaped(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    source = recipe.args[0]
    if recipe.shape and _keeps_axis(recipe, axis):
        part = read_part(source, axis, start, stop)
        return part.reshape(*recipe.shape[:axis], part.shape[axis], *recipe.shape[axis + 1 :])
    if recipe.shape and axis == 0 and source.shape and 0 not in source.shape:
        return _reshaped_rows(recipe, start, stop)
    return _part(read_part(source).reshape(recipe.shape), axis, start, stop)


def _keeps_axis(recipe: Expression, axis: int) -> bool:
    """Whether a reshape leaves all axes up to this one as they are."""
    return recipe.shape[: axis + 1] == recipe.args[0].shape[: axis + 1]


def _reshaped_rows(recipe: Expression, start: int, stop: int) -> Array:
    """Read the rows of the source in which rows of the result lie."""
    source, tail = recipe.args[0], recipe.shape[1:]
    row, size = prod(source.shape[1:]), prod(tail)
    first, last = start * size, stop * size
    low, high = first // row, -(-last // row)
    flat = read_part(source, 0, low, high).reshape(-1)
    return flat[first - low * row : last - low * row].reshape(stop - start, *tail)


def _taken(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    """Read a part of a part: only what is wanted of it."""
    own, first, step = (recipe.options[key] for key in ("axis", "start", "step"))
    if own != axis and not _all(recipe, axis, start, stop):
        taken: Array = read_part(recipe.args[0], axis, start, stop)
        return taken[(*(slice(None),) * own, slice(first, recipe.options["stop"], step))]
    if own != axis:
        start, stop = 0, recipe.shape[own]
    if stop <= start:
        start = stop = 0
    part = read_part(recipe.args[0], own, first + start * step, first + stop * step)
    return part[(*(slice(None),) * own, slice(None, None, step))]


def _gathered(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    own, indices = recipe.options["axis"], recipe.options["indices"]
    if own != axis and not _all(recipe, axis, start, stop):
        return np.asarray(np.take(read_part(recipe.args[0], axis, start, stop), indices, own))
    wanted = indices[start:stop] if own == axis else indices
    return _read_entries(recipe.args[0], own, wanted)


def _read_entries(source: Expression, axis: int, wanted: NDArray[np.int64]) -> Array:
    """Read entries along an axis, those that lie close together at once."""
    if not wanted.size:
        return read_part(source, axis, 0, 0)
    if source.args and (_is_small(source) or not _reads_parts(source, axis)):
        return np.asarray(np.take(read_part(source), wanted, axis))
    distinct, back = np.unique(wanted, return_inverse=True)
    runs = np.split(distinct, np.flatnonzero(np.diff(distinct) > _GAP) + 1)
    parts = []
    for run in runs:
        part = read_part(source, axis, int(run[0]), int(run[-1]) + 1)
        parts.append(np.take(part, run - run[0], axis))
    together = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
    return np.asarray(np.take(together, back, axis))


def _concatenated(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    own = recipe.options["axis"]
    if own != axis:
        return np.concatenate([read_part(arg, axis, start, stop) for arg in recipe.args], axis=own)
    parts, before = [], 0
    for arg in recipe.args:
        low, high = max(start - before, 0), min(stop - before, arg.shape[own])
        if low < high:
            parts.append(read_part(arg, own, low, high))
        before += arg.shape[own]
    found = np.concatenate(parts or [read_part(recipe.args[0], own, 0, 0)], axis=own)
    return found.astype(recipe.dtype, copy=False)


# -- sums -----------------------------------------------------------------------------------


def _summed(recipe: Expression, axis: int, start: int, stop: int) -> Array:
    """Add up chunk by chunk, so that no more than the result and a chunk is held."""
    source, reduced = recipe.args[0], _summed_axes(recipe)
    if not recipe.shape:
        return np.asarray(read_part(source), dtype=np.float64)
    if axis not in reduced and not _all(recipe, axis, start, stop):
        total = np.zeros((*recipe.shape[:axis], stop - start, *recipe.shape[axis + 1 :]))
        _add_sums(recipe, read_part(source, axis, start, stop), slice(None), total)
        return total
    total = np.zeros(recipe.shape)
    for low, high in chunks_of(source):
        into = total if 0 in reduced else total[low:high]
        _add_sums(recipe, read_part(source, 0, low, high), slice(low, high), into)
    return _part(total, axis, start, stop)


def _summed_axes(recipe: Expression) -> list[int]:
    return list(recipe.options["axes"]) if recipe.op == "sum" else [recipe.options["axis"]]


def _add_sums(recipe: Expression, part: Array, rows: slice, total: Array) -> None:
    """Add the sums of a part of the source, which holds `rows` of its first axis."""
    if recipe.op == "sum":
        total += np.sum(part, axis=tuple(recipe.options["axes"]), keepdims=True, dtype=np.float64)
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


_READERS: dict[str, Callable[[Expression, int, int, int], Array]] = {
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(UNARY, _unary),
    "transpose": _transposed,
    "reshape": _reshaped,
    "take": _taken,
    "gather": _gathered,
    "concatenate": _concatenated,
    "sum": _summed,
    "sum_by": _summed,
}

# -- chunks ---------------------------------------------------------------------------------


def chunks_of(recipe: Expression, nbytes: int = CHUNK_BYTES) -> Iterator[tuple[int, int]]:
    """Yield ``(start, stop)`` along the first axis (see `Recipe.chunks`)."""
    if not recipe.shape or 0 in recipe.shape:
        return
    step = recipe.shape[0]
    if _reads_parts(recipe, 0):
        step = max(1, int(nbytes // _entry_bytes(recipe, 0)))
    for start in range(0, recipe.shape[0], step):
        yield start, min(start + step, recipe.shape[0])


def _reads_parts(recipe: Expression, axis: int) -> bool:
    """Whether reading a part along an axis reads only a part of what is large."""
    if not recipe.args:
        return True
    followed = _followed(recipe, axis)
    along = {id(arg) for arg, _, _ in followed}
    rest = (arg for arg in recipe.args if id(arg) not in along)
    return all(_reads_parts(arg, own) for arg, own, _ in followed) and all(map(_is_small, rest))


def _is_small(recipe: Expression) -> bool:
    """Whether reading all of a recipe again and again costs little."""
    return not recipe.args or _n_values(recipe) <= CHUNK_BYTES


def _n_values(recipe: Expression) -> int:
    """Return how many values are made to read all of a recipe, those in between counted."""
    return prod(recipe.shape) + sum(_n_values(arg) for arg in recipe.args)


def _entry_bytes(recipe: Expression, axis: int) -> float:
    """Return the bytes that are held to have one entry along an axis."""
    own = prod(recipe.shape) / max(recipe.shape[axis], 1) * recipe.dtype.itemsize
    inner = (n * _entry_bytes(arg, at) for arg, at, n in _followed(recipe, axis))
    return max(own, *inner, 1.0)


def _followed(recipe: Expression, axis: int) -> list[Followed]:
    """Return the operands of which only a part is read for a part along an axis."""
    op, options, args = recipe.op, recipe.options, recipe.args
    if op in BINARY or op in UNARY:
        shifted = [(arg, axis - len(recipe.shape) + len(arg.shape)) for arg in args]
        size = recipe.shape[axis]
        return [(arg, at, 1.0) for arg, at in shifted if at >= 0 and arg.shape[at] == size]
    if op == "transpose":
        return [(args[0], options["axes"][axis], 1.0)]
    if op == "reshape":
        return _followed_reshape(recipe, axis)
    if op == "take" and options["axis"] == axis:
        return [(args[0], axis, float(options["step"]))]
    if op in ("sum", "sum_by") and axis in _summed_axes(recipe):
        return []
    return [(arg, axis, 1.0) for arg in args]


def _followed_reshape(recipe: Expression, axis: int) -> list[Followed]:
    source = recipe.args[0]
    if _keeps_axis(recipe, axis):
        return [(source, axis, 1.0)]
    fine = bool(source.shape) and prod(source.shape[1:]) * 8 <= CHUNK_BYTES
    return [(source, 0, source.shape[0] / recipe.shape[0])] if axis == 0 and fine else []
