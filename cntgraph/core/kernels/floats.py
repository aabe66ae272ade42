"""Numbers as they are stored, widened where they are added up: no array of them is made.

Numba has neither 16-bit floats nor those of 8 bits. `cntgraph.core.parameter` says as what each
type is given to a kernel: float16 as int16, bfloat16 as uint16, all others as they are.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic, overload

#: The bits of a float16 but its sign; where infinity begins, and where normal numbers do.
_MAGNITUDE, _INFINITY, _NORMAL = np.int32(0x7FFF), np.int32(0x7C00), np.int32(0x0400)
#: What the exponents of float32 and float16 differ by, the lowest bit of an exponent, and a sign.
_REBIAS, _ONE, _SIGN = np.int32(112 << 23), np.int32(1 << 23), np.int32(-(1 << 31))
_SMALLEST_NORMAL = np.float32(2.0**-14)


def value_of(stored: Any) -> float:
    """Return a stored number as float64; in kernels only, where its type says how."""
    raise NotImplementedError("compiled code only")


@overload(value_of)
def _value_of(stored):
    if stored == types.int16:
        return _half_by_machine if converts_halves() else half_by_bits
    if stored == types.uint16:
        return bfloat16_by_bits
    return lambda stored: np.float64(stored)


@njit(cache=True, nogil=True)
def widen_bytes(stored, table, wide):
    """Write the values of 8-bit floats, by the table of all 256, to `wide`; both of shape (n,)."""
    for k in range(stored.size):
        wide[k] = table[stored[k]]


def converts_halves() -> bool:
    """Whether the compiler may use an instruction that widens float16: else it calls a library."""
    if numba.config.CPU_NAME or numba.config.CPU_FEATURES:  # not this very machine
        return False
    is_arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
    return is_arm or bool(binding.get_host_cpu_features().get("f16c"))


def half_by_bits(stored):
    """Widen a float16 by arithmetic: without a branch, and without slow subnormals."""
    half = np.int32(stored)
    magnitude = np.int32(half & _MAGNITUDE)
    word = np.int32(np.int32(magnitude << np.int32(13)) + _REBIAS)
    word = np.int32(word + _REBIAS) if magnitude >= _INFINITY else word
    # With a leading one that a subnormal does not have; it is taken off again.
    leading = np.int32(word + _ONE).view(np.float32)
    subnormal = np.float32(leading - _SMALLEST_NORMAL).view(np.int32)
    word = subnormal if magnitude < _NORMAL else word
    return np.float64(np.int32(word | np.int32(half & _SIGN)).view(np.float32))


def _half_by_machine(stored):
    return _extended(stored)


@intrinsic
def _extended(typing_context, stored):
    """Widen a float16 by the instruction that most processors have."""

    def generate(context, builder, signature, arguments):
        half = builder.bitcast(arguments[0], ir.HalfType())
        return builder.fpext(half, ir.DoubleType())

    return types.float64(types.int16), generate


def bfloat16_by_bits(stored):
    """Widen a bfloat16: the upper half of a float32."""
    return np.float64(np.uint32(np.uint32(stored) << np.uint32(16)).view(np.float32))
