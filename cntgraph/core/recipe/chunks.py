"""Chunks: in which parts a recipe is read, so that little is held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from cntgraph.core.recipe.elementwise import ELEMENTWISE
from cntgraph.core.recipe.expression import Expression

#: An operand, the axis of it that an axis of the result is read along, and how many of its
#: entries are read for one of the result.
Followed = tuple[Expression, int, float]
#: What is known of parts along an axis, so that what is shared is looked at once.
Known = dict[tuple[int, int], bool]
#: Operations whose operands broadcast together, the matrices of a product as wholes.
BROADCASTING = frozenset([*ELEMENTWISE, "matmul"])
#: Bytes of one chunk: a few fit in the last cache of a core, so that a second look is free.
CHUNK_BYTES = 1 << 20


def chunks_of(
    recipe: Expression, nbytes: int = CHUNK_BYTES, axis: int = 0
) -> Iterator[tuple[int, int]]:
    """Yield ``(start, stop)`` along an axis (see `Recipe.chunks`)."""
    if not recipe.shape or 0 in recipe.shape:
        return
    length = step = recipe.shape[axis]
    if reads_parts(recipe, axis):
        step = max(1, int(nbytes // _entry_bytes(recipe, axis, {})))
    for start in range(0, length, step):
        yield start, min(start + step, length)


def reads_parts(recipe: Expression, axis: int, known: Known | None = None) -> bool:
    """Whether reading a part along an axis reads only a part of what is large."""
    if not recipe.args:
        return True
    known = {} if known is None else known
    key = id(recipe), axis
    if key not in known:
        parts = ((arg, own) for arg, own, _ in _followed(recipe, axis))
        known[key] = all(reads_parts(arg, own, known) for arg, own in parts) and all(
            is_small(arg) and (recipe.op != "matmul" or arg.cost <= CHUNK_BYTES)
            for arg in _read_whole(recipe, axis)
        )
    return known[key]


def _read_whole(recipe: Expression, axis: int) -> list[Expression]:
    """Return the operands of which all is read for a part along an axis."""
    if recipe.op in BROADCASTING:
        return [arg for k, arg in enumerate(recipe.args) if axis_of(recipe, k, axis) is None]
    return [] if _followed(recipe, axis) else list(recipe.args)


def is_small(recipe: Expression) -> bool:
    """Whether reading all of a recipe again and again costs little."""
    return not recipe.args or recipe.cost <= CHUNK_BYTES


def _entry_bytes(recipe: Expression, axis: int, known: dict[tuple[int, int], float]) -> float:
    """Return the bytes that are held to have one entry along an axis."""
    key = id(recipe), axis
    if key not in known:
        own = prod(recipe.shape) / max(recipe.shape[axis], 1) * recipe.dtype.itemsize
        inner = (n * _entry_bytes(arg, at, known) for arg, at, n in _followed(recipe, axis))
        known[key] = max(own, *inner, 1.0)
    return known[key]


def _followed(recipe: Expression, axis: int) -> list[Followed]:
    """Return the operands of which only a part is read for a part along an axis."""
    op, options, args = recipe.op, recipe.options, recipe.args
    if op in BROADCASTING:
        axes = ((arg, axis_of(recipe, k, axis)) for k, arg in enumerate(args))
        return [(arg, at, 1.0) for arg, at in axes if at is not None]
    if op == "transpose":
        return [(args[0], options["axes"][axis], 1.0)]
    if op == "reshape":
        return _followed_reshape(recipe, axis)
    if op == "take" and options["axis"] == axis:
        return [(args[0], axis, float(options["step"]))]
    if axis in reduced_axes(recipe):
        return []
    return [(arg, axis, 1.0) for arg in args]


def axis_of(recipe: Expression, k: int, axis: int) -> int | None:
    """Return the axis of operand `k` that goes with one of the result; None, if it broadcasts.

    Of a matrix product, the rows belong to the left operand, the columns to the right one.
    """
    arg, rank = recipe.args[k], len(recipe.shape)
    own = axis - (rank - len(arg.shape))
    if own < 0 or arg.shape[own] != recipe.shape[axis]:
        return None
    return None if recipe.op == "matmul" and axis == (rank - 1, rank - 2)[k] else own


def reduced_axes(recipe: Expression) -> list[int]:
    """Return the axes of a sum or a largest value that others come in the place of."""
    if recipe.op == "sum_by":
        return [recipe.options["axis"]]
    return list(recipe.options["axes"]) if recipe.op in ("sum", "max") else []


def keeps_axis(recipe: Expression, axis: int) -> bool:
    """Whether a reshape leaves all axes up to this one as they are."""
    return recipe.shape[: axis + 1] == recipe.args[0].shape[: axis + 1]


def _followed_reshape(recipe: Expression, axis: int) -> list[Followed]:
    source = recipe.args[0]
    if keeps_axis(recipe, axis):
        return [(source, axis, 1.0)]
    fine = bool(source.shape) and prod(source.shape[1:]) * 8 <= CHUNK_BYTES
    return [(source, 0, source.shape[0] / recipe.shape[0])] if axis == 0 and fine else []
