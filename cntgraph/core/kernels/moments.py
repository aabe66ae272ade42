"""Sums of powers, extremes and zeros of values, in one loop that vectorizes.

A tally is an array of float64, laid out as the constants below say. `Tally`, in
`cntgraph.network.blocks.tally`, makes statistics of it. Values are given as stored (`floats`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from cntgraph.core.kernels.floats import value_of

#: What is subtracted from values before their powers are added up, the sums of the powers, the
#: extremes, and how many values are zero.
SHIFT, P1, P2, P3, P4, LEAST, LARGEST, N_ZERO = range(8)
TALLY_SIZE = 8

#: As many powers are added up by themselves, which keeps their rounding small.
_TILE = 1024

# Sums may be reassociated (so that they vectorize); NaN and infinity keep their meaning. How is up
# to the compiler, which may do it in one way for a function by itself and in another for what calls
# it: such functions are inlined, so that kernels compiled now and loaded from disk are the same.
_FAST = {"reassoc", "nsz", "contract"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_values(values, tally):
    """Tally values, shape (n,)."""
    for start in range(0, values.size, _TILE):
        add_tile(values[start : start + _TILE], tally)


@njit(cache=True, nogil=True, fastmath=_FAST)
def mean_of(values):
    """Return the mean of values, shape (n,)."""
    total = 0.0
    for k in range(values.size):
        total += value_of(values[k])
    return total / values.size


@njit(inline="always")
def add_tile(values, tally):
    """Tally a few values.

    The sums are not finite if one of the values is not, and the extremes mean nothing then.
    """
    shift = tally[SHIFT]
    p1, p2, p3, p4 = 0.0, 0.0, 0.0, 0.0
    least, largest, zeros = tally[LEAST], tally[LARGEST], np.int64(0)
    for k in range(values.size):
        y = value_of(values[k])
        least, largest = lesser(least, y), larger(largest, y)
        zeros += is_zero(y)
        d = y - shift
        square = d * d
        p1 += d
        p2 += square
        p3 += square * d
        p4 += square * square
    add_to_tally(tally, p1, p2, p3, p4, least, largest, zeros)


@njit(inline="always")
def add_to_tally(tally, p1, p2, p3, p4, least, largest, zeros):
    """Add what a loop has found; the extremes are those of what was tallied before, too."""
    tally[P1] += p1
    tally[P2] += p2
    tally[P3] += p3
    tally[P4] += p4
    tally[LEAST], tally[LARGEST] = least, largest
    tally[N_ZERO] += zeros


@njit(inline="always")
def is_zero(y):
    """Return one of zero, else nothing; unlike a choice between two floats, it vectorizes."""
    return np.int64(y == 0.0)


def _of_two(name: str) -> Any:
    """Return an instruction for two numbers none of which is NaN: comparing them vectorizes.

    Zeros of both signs are the same to it, and of NaN something comes out.
    """

    @intrinsic
    def instruction(typing_context, a, b):
        def generate(context, builder, signature, arguments):
            kind = ir.DoubleType()
            function = builder.module.declare_intrinsic(
                name, [kind], ir.FunctionType(kind, [kind, kind])
            )
            return builder.call(function, arguments, fastmath=("nnan", "nsz"))

        return types.float64(types.float64, types.float64), generate

    return instruction


lesser, larger = _of_two("llvm.minnum"), _of_two("llvm.maxnum")
