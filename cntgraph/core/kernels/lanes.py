"""Lanes: sixteen numbers that are worked on at once, each by itself, as registers hold them.

An array of lanes, shape (n, LANES), has one row per number of what is done sixteen times. The
compiler does not make registers of such rows by itself, hence instructions of its own language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np import arrayobj

from cntgraph.core.kernels.floats import value_of

#: How many numbers are worked on at once: a few registers of them.
LANES = 16
#: What `tally_lanes` writes: the mean, the sums of powers of the deviations from it, the extremes,
#: and how many numbers are zero.
MEAN, M2, M3, M4, LEAST, LARGEST, N_ZERO = range(7)
N_TALLIED = 7

_INDEX, _LANE = ir.IntType(64), ir.IntType(32)
#: A product and a sum may be rounded once.
_FUSED = ("contract",)


@intrinsic
def add_lanes(typing_context: Any, sums: Any, i: Any, values: Any, k: Any) -> Any:
    """Add row `k` of `values` to row `i` of `sums`: arrays of float64, shape (…, LANES)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, (own, at, others, from_) = signature.args, arguments
        total, added = (_Rows(context, builder, kinds[k], a) for k, a in ((0, own), (2, others)))
        total.write(at, builder.fadd(total.read(at), added.read(from_)))
        return context.get_dummy_value()

    return types.void(sums, types.int64, values, types.int64), generate


@intrinsic
def sum_lanes(typing_context: Any, rows: Any, i: Any, first: Any, step: Any, n: Any) -> Any:
    """Write the sum of n rows, from `first` on and a step apart, to row `i`: of none, zeros."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, to, start, distance, size = arguments
        own = _Rows(context, builder, signature.args[0], array)

        def added(k: Any, before: Sequence[Any]) -> Sequence[Any]:
            place = builder.add(start, builder.mul(k, distance))
            return [builder.fadd(before[0], own.read(place))]

        own.write(to, _folded(builder, size, [own.all(0.0)], added)[0])
        return context.get_dummy_value()

    return types.void(rows, *[types.int64] * 4), generate


def lay(matrix: Any, row: Any, column: Any, lanes: Any, k: Any) -> None:
    """Write a square of a matrix, LANES rows and columns from a place on, turned, to rows from `k`.

    In kernels only, where the type of what is stored is known.
    """
    raise NotImplementedError("compiled code only")


@overload(lay)
def _lay(matrix, row, column, lanes, k):
    if isinstance(matrix.dtype, types.Float):
        return lambda matrix, row, column, lanes, k: _turn(matrix, row, column, lanes, k)
    return _lay_one_by_one


def _lay_one_by_one(matrix, row, column, lanes, k):
    for lane in range(LANES):
        for j in range(LANES):
            lanes[k + j, lane] = value_of(matrix[row + lane, column + j])


@intrinsic
def _turn(typing_context: Any, matrix: Any, row: Any, column: Any, lanes: Any, k: Any) -> Any:
    """Do so with floating-point numbers, whose rows are contiguous: in registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, (given, top, left, _, to) = signature.args, arguments
        values = arrayobj.make_array(kinds[0])(context, builder, given)
        source, written = (_Rows(context, builder, kinds[i], arguments[i]) for i in (0, 3))
        taken = []
        for lane in range(LANES):
            places = builder.add(top, _INDEX(lane)), left
            taken.append(source.load(cgutils.get_item_pointer(
                context, builder, kinds[0], values, places, wraparound=False
            )))  # fmt: skip
        for j, own in enumerate(_transposed(builder, taken)):
            wide = own if source.kind == written.kind else builder.fpext(own, written.kind)
            written.write(builder.add(to, _INDEX(j)), wide)
        return context.get_dummy_value()

    return types.void(matrix, types.int64, types.int64, lanes, types.int64), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of a square of numbers, whose rows are registers.

    Blocks that face each other across the diagonal change places: halves first, then quarters.
    """
    half = len(rows) // 2
    while half:
        for a in range(len(rows)):
            b = a | half
            if a != b:
                rows[a], rows[b] = (
                    _chosen(builder, rows[a], rows[b], half, upper=upper) for upper in (False, True)
                )
        half //= 2
    return rows


def _chosen(builder: Any, a: Any, b: Any, half: int, *, upper: bool) -> Any:
    """Return the upper or the lower blocks of one row, beside those of another."""
    n, shift = a.type.count, half if upper else 0
    places = [(j & ~half) + shift + (n if j & half else 0) for j in range(n)]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_LANE, n), [*map(_LANE, places)]))


@intrinsic
def tally_lanes(typing_context: Any, values: Any, n: Any, found: Any) -> Any:
    """Tally the first n rows of `values`, shape (…, LANES), n > 0: see `MEAN` and what follows.

    What is found of a lane in which a number is not finite means nothing, but its mean is not.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, (given, size, written) = signature.args, arguments
        rows, tally = (
            _Rows(context, builder, kinds[k], array) for k, array in ((0, given), (2, written))
        )
        none, one, first = rows.all(0.0), rows.all(1.0), rows.read(_INDEX(0))

        def summed(k: Any, before: Sequence[Any]) -> Sequence[Any]:
            return [builder.fadd(before[0], rows.read(k))]

        def tallied(k: Any, before: Sequence[Any]) -> Sequence[Any]:
            *sums, least, largest, n_zero = before
            x = rows.read(k)
            d = builder.fsub(x, mean)
            square = builder.fmul(d, d)
            terms = square, builder.fmul(square, d, _FUSED), builder.fmul(square, square, _FUSED)
            sums = [builder.fadd(*both, _FUSED) for both in zip(sums, terms, strict=True)]
            is_zero = builder.select(builder.fcmp_ordered("==", x, none), one, none)
            return [*sums, _either(builder, "<", x, least), _either(builder, ">", x, largest),
                    builder.fadd(n_zero, is_zero)]  # fmt: skip

        total = _folded(builder, size, [none], summed)[0]
        mean = builder.fdiv(total, _spread(builder, builder.sitofp(size, ir.DoubleType())))
        others = _folded(builder, size, [none] * 3 + [first] * 2 + [none], tallied)
        for k, value in enumerate((mean, *others)):
            tally.write(_INDEX(k), value)
        return context.get_dummy_value()

    return types.void(values, types.int64, found), generate


def _folded(builder: Any, n: Any, start: Sequence[Any], step: Any) -> list[Any]:
    """Return what a step makes of each number below n and of what it made of those before."""
    places = [cgutils.alloca_once_value(builder, value) for value in start]
    with cgutils.for_range(builder, n) as loop:
        made = step(loop.index, [*map(builder.load, places)])
        for place, value in zip(places, made, strict=True):
            builder.store(value, place)
    return [*map(builder.load, places)]


def _either(builder: Any, order: str, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(order, a, b), a, b)


def _spread(builder: Any, number: Any) -> Any:
    """Return a number in all lanes."""
    kind, n = ir.VectorType(number.type, LANES), ir.VectorType(_LANE, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _LANE(0))
    return builder.shuffle_vector(one, one, ir.Constant(n, [_LANE(0)] * LANES))


class _Rows:
    """The rows of an array of lanes, in C order, each a register (or a few)."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.builder = builder
        self.data = arrayobj.make_array(kind)(context, builder, array).data
        self.kind = ir.VectorType(self.data.type.pointee, LANES)
        self.align = kind.dtype.bitwidth // 8

    def _place(self, k: Any) -> Any:
        return self.builder.gep(self.data, [self.builder.mul(k, _INDEX(LANES))])

    def all(self, number: float) -> Any:
        """Return a number in all lanes."""
        return ir.Constant(self.kind, [number] * LANES)

    def load(self, place: Any) -> Any:
        """Return what is read from a place in memory."""
        return self.builder.load(self._as_row(place), align=self.align)

    def _as_row(self, place: Any) -> Any:
        return self.builder.bitcast(place, self.kind.as_pointer())

    def read(self, k: Any) -> Any:
        """Return row `k`."""
        return self.load(self._place(k))

    def write(self, k: Any, value: Any) -> None:
        """Write row `k`."""
        self.builder.store(value, self._as_row(self._place(k)), align=self.align)
