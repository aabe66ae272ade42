"""Evaluating a recipe: only the part of each parameter that the result depends on is read."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.recipe.chunks import axis_of, is_small, keeps_axis, reads_parts
from cntgraph.core.recipe.elementwise import ELEMENTWISE
from cntgraph.core.recipe.expression import Expression
from cntgraph.core.recipe.matrix_sums import matrix_sum
from cntgraph.core.recipe.sums import Read, reduced
from cntgraph.core.types import Array

#: Entries that are not wanted are read with those around them, if no more than this many.
_GAP = 32
#: Bytes of parts that are kept for others to read them; what was read whole is kept in any case.
_KEPT_BYTES = 1 << 26
#: Where parts that are shared would be evaluated this much more often than there are, each of
#: them is evaluated whole: many parts of a part may be wanted.
_OFTEN = 16

Key = tuple[int, int, int, int | None]
#: Reads a part of a parameter or constant: (expression, axis, start, stop).
Leaf = Callable[[Expression, int, int, int | None], Array]


def read_part(recipe: Expression, axis: int = 0, start: int = 0, stop: int | None = None) -> Array:
    """Return a recipe's values from `start` to `stop` along `axis` (see `Recipe.read`)."""
    return _read_part(recipe, _leaf, axis, start, stop)


def read_stored_part(
    recipe: Expression, axis: int = 0, start: int = 0, stop: int | None = None
) -> Array:
    """Return what a recipe that only moves a parameter's values moves; of others, the values."""
    leaf = _leaf if recipe.moved_parameter is None else _stored_leaf
    return _read_part(recipe, leaf, axis, start, stop)


def _read_part(recipe: Expression, leaf: Leaf, axis: int, start: int, stop: int | None) -> Array:
    if not recipe.args:
        return leaf(recipe, axis, start, stop)
    return _Reading(recipe, leaf)(recipe, axis, start, stop)


def _stored_leaf(recipe: Expression, axis: int, start: int, stop: int | None) -> Array:
    assert recipe.parameter is not None
    return recipe.parameter.read_stored(axis, start, stop)


def _leaf(recipe: Expression, axis: int, start: int, stop: int | None) -> Array:
    if recipe.parameter is not None:
        return recipe.parameter.read(axis, start, stop)
    assert recipe.value is not None
    return _part(recipe.value, axis % max(recipe.value.ndim, 1), start, stop)


class _Reading:
    """Reads parts of a recipe; what several operations share is evaluated once for all of them."""

    def __init__(self, root: Expression, leaf: Leaf) -> None:
        self.leaf = leaf
        self.uses = {id(part): n for part, n in root.shared}
        self.whole = bool(self.uses) and root.cost > _OFTEN * root.cost_once
        self.made: dict[Key, tuple[Array, int]] = {}
        self.held = 0

    def __call__(
        self, recipe: Expression, axis: int = 0, start: int = 0, stop: int | None = None
    ) -> Array:
        if not recipe.args:
            return self.leaf(recipe, axis, start, stop)
        rank = len(recipe.shape)
        axis = axis % rank if rank else 0
        if id(recipe) not in self.uses:
            return self._read(recipe, axis, start, stop)
        if rank:
            start, stop, _ = slice(start, stop).indices(recipe.shape[axis])
        if not self.whole and not (rank and _all(recipe, axis, start, stop or 0)):
            return self._shared(recipe, axis, start, stop)
        found = self._shared(recipe, 0, 0, None)
        return _part(found, axis, start, stop)

    def _shared(self, recipe: Expression, axis: int, start: int, stop: int | None) -> Array:
        """Return what was made before; who asks last need not keep it."""
        key = id(recipe), axis, start, stop
        found, left = self.made.pop(key, (None, self.uses[id(recipe)]))
        if found is None:
            found = self._read(recipe, axis, start, stop)
            self.held += found.nbytes
        if self.whole or (left > 1 and (stop is None or self.held <= _KEPT_BYTES)):
            self.made[key] = found, left - 1
        else:
            self.held -= found.nbytes
        return found

    def _read(self, recipe: Expression, axis: int, start: int, stop: int | None) -> Array:
        if recipe.op not in _READERS:
            raise ParameterError(f"unknown operation {recipe.op!r} in a recipe; the file is newer?")
        if not recipe.shape:
            return _READERS[recipe.op](self, recipe, 0, 0, 1)
        start, stop, _ = slice(start, stop).indices(recipe.shape[axis])
        return _READERS[recipe.op](self, recipe, axis, start, max(start, stop))


def _part(value: Array, axis: int, start: int, stop: int | None) -> Array:
    if not value.ndim or (start == 0 and stop is None):
        return value
    return value[(slice(None),) * axis + (slice(start, stop),)]


def _all(recipe: Expression, axis: int, start: int, stop: int) -> bool:
    return (start, stop) == (0, recipe.shape[axis])


# -- arithmetic -----------------------------------------------------------------------------


def _elementwise(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    operands = _operands(read, recipe, axis, start, stop)
    return np.asarray(ELEMENTWISE[recipe.op](*operands))


def _product(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    return np.asarray(np.matmul(*_operands(read, recipe, axis, start, stop)))


def _operands(
    read: Read, recipe: Expression, axis: int, start: int, stop: int
) -> list[NDArray[np.float64]]:
    """Read the part of each operand that goes with a part of the result."""
    found = []
    part_of_it = recipe.shape and not _all(recipe, axis, start, stop)
    for k, arg in enumerate(recipe.args):
        own = axis_of(recipe, k, axis) if part_of_it else None
        part = read(arg) if own is None else read(arg, own, start, stop)
        found.append(part.astype(np.float64, copy=False))
    return found


def _summed(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    if not recipe.shape or _all(recipe, axis, start, stop):
        found = matrix_sum(recipe, read, read_stored_part)
        if found is not None:
            return found
    return reduced(read, recipe, axis, start, stop)


# -- layout ---------------------------------------------------------------------------------


def _transposed(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    axes = recipe.options["axes"]
    return read(recipe.args[0], axes[axis], start, stop).transpose(axes)


def _reshaped(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    source = recipe.args[0]
    if recipe.shape and keeps_axis(recipe, axis):
        part = read(source, axis, start, stop)
        return part.reshape(*recipe.shape[:axis], part.shape[axis], *recipe.shape[axis + 1 :])
    if recipe.shape and axis == 0 and source.shape and 0 not in source.shape:
        return _reshaped_rows(read, recipe, start, stop)
    return _part(read(source).reshape(recipe.shape), axis, start, stop)


def _reshaped_rows(read: Read, recipe: Expression, start: int, stop: int) -> Array:
    """Read the rows of the source in which rows of the result lie."""
    source, tail = recipe.args[0], recipe.shape[1:]
    row, size = prod(source.shape[1:]), prod(tail)
    first, last = start * size, stop * size
    low, high = first // row, -(-last // row)
    flat = read(source, 0, low, high).reshape(-1)
    return flat[first - low * row : last - low * row].reshape(stop - start, *tail)


def _taken(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    """Read a part of a part: only what is wanted of it."""
    own, first, step = (recipe.options[key] for key in ("axis", "start", "step"))
    if own != axis and not _all(recipe, axis, start, stop):
        taken: Array = read(recipe.args[0], axis, start, stop)
        return taken[(*(slice(None),) * own, slice(first, recipe.options["stop"], step))]
    if own != axis:
        start, stop = 0, recipe.shape[own]
    if stop <= start:
        start = stop = 0
    part = read(recipe.args[0], own, first + start * step, first + stop * step)
    return part[(*(slice(None),) * own, slice(None, None, step))]


def _gathered(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    own, indices = recipe.options["axis"], recipe.options["indices"]
    if own != axis and not _all(recipe, axis, start, stop):
        return np.asarray(np.take(read(recipe.args[0], axis, start, stop), indices, own))
    wanted = indices[start:stop] if own == axis else indices
    return _read_entries(read, recipe.args[0], own, wanted)


def _read_entries(read: Read, source: Expression, axis: int, wanted: NDArray[np.int64]) -> Array:
    """Read entries along an axis, those that lie close together at once."""
    if not wanted.size:
        return read(source, axis, 0, 0)
    if source.args and (is_small(source) or not reads_parts(source, axis)):
        return np.asarray(np.take(read(source), wanted, axis))
    distinct, back = np.unique(wanted, return_inverse=True)
    runs = np.split(distinct, np.flatnonzero(np.diff(distinct) > _GAP) + 1)
    parts = []
    for run in runs:
        part = read(source, axis, int(run[0]), int(run[-1]) + 1)
        parts.append(np.take(part, run - run[0], axis))
    together = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
    return np.asarray(np.take(together, back, axis))


def _concatenated(read: Read, recipe: Expression, axis: int, start: int, stop: int) -> Array:
    own = recipe.options["axis"]
    if own != axis:
        return np.concatenate([read(arg, axis, start, stop) for arg in recipe.args], axis=own)
    parts, before = [], 0
    for arg in recipe.args:
        low, high = max(start - before, 0), min(stop - before, arg.shape[own])
        if low < high:
            parts.append(read(arg, own, low, high))
        before += arg.shape[own]
    found = np.concatenate(parts or [read(recipe.args[0], own, 0, 0)], axis=own)
    return found.astype(recipe.dtype, copy=False)


_READERS: dict[str, Callable[[Read, Expression, int, int, int], Array]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "matmul": _product,
    "transpose": _transposed,
    "reshape": _reshaped,
    "take": _taken,
    "gather": _gathered,
    "concatenate": _concatenated,
    "sum": _summed,
    **dict.fromkeys(("sum_by", "max"), reduced),
}
