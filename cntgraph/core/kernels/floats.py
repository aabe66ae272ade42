"""Numbers as they are stored, widened where they are added up: no array of them is made.

Numba has neither 16-bit floats nor those of 8 bits. They are given to kernels as integers, by whose
type they are known (`cntgraph.core.parameter` says the same): float16 as int16, bfloat16 as uint16,
float8_e5m2 as int8, float8_e4m3fn as uint8. All others are given as they are.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

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
    half = _half_by_machine if converts_halves() else half_by_bits
    ways = {
        types.int16: half,
        types.uint16: bfloat16_by_bits,
        types.int8: _float8_e5m2(register_jitable(half)),
        types.uint8: _float8_e4m3fn(register_jitable(half)),
    }
    return ways.get(stored, lambda stored: np.float64(stored))


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


def _float8_e5m2(half):
    """Return what widens the upper half of a float16."""
    return lambda stored: half(np.int16(np.int16(stored) << np.int16(8)))


def _float8_e4m3fn(half):
    """Return what widens a float8 by moving its bits into a float16, of another bias."""

    def value(stored):
        bits = np.int16(np.int16(stored & np.uint8(0x80)) << np.int16(8))
        magnitude = np.int16(stored & np.uint8(0x7F))
        found = 256.0 * half(np.int16(bits | np.int16(magnitude << np.int16(7))))
        return np.nan if magnitude == np.int16(0x7F) else found

    return value


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
