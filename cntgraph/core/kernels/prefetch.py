"""Prefetching: asking for values that are soon read, where the processor does not look ahead.

It does along a row, but not beyond the end of a page: where a few short rows are read side by side,
each would begin with a wait for memory. No result depends on it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np import arrayobj

#: Bytes that come from memory at once.
_LINE = 64
#: What the instruction is told: to read, to keep for a while, data.
_HINTS = (0, 2, 1)


@njit(inline="always")
def ask_for_rows(w, r, n, start, end):
    """Ask for the columns from `start` to `end` of n rows from r on, as far as there are any."""
    step = per_line(w)
    for k in range(r, min(r + n, len(w))):
        for j in range(start, end, step):
            _ask_for(w, k, j)


def per_line(w: Any) -> int:
    """Return how many entries come from memory at once; in kernels only, where it is known."""
    raise NotImplementedError("compiled code only")


@overload(per_line)
def _per_line(w):
    n = max(_LINE // (w.dtype.bitwidth // 8), 1)
    return lambda w: n


@intrinsic
def _ask_for(typing_context: Any, w: Any, r: Any, j: Any) -> Any:
    """Ask for the line of memory in which an entry of a matrix lies."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        matrix = arrayobj.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(
            context, builder, kind, matrix, arguments[1:], wraparound=False
        )
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [pointer],
            ir.FunctionType(ir.VoidType(), [pointer, number, number, number]),
        )
        builder.call(function, [builder.bitcast(place, pointer), *map(number, _HINTS)])
        return context.get_dummy_value()

    return types.void(w, types.int64, types.int64), generate
